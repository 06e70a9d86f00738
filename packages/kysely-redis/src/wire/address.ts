import { fail } from '../errors.ts'
import type { Address } from '../options.ts'
import type { Credentials } from './connection.ts'

export interface Target {
  readonly cluster: boolean
  readonly seeds: readonly Address[]
  readonly credentials: Credentials
}

const shape = /^redis(s)?(\+cluster)?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]+)(?:\/(\d+)?)?(?:\?.*)?$/

/** Reads `redis://…`, `redis+cluster://…` and their forms with TLS (`rediss…`). The message of its error does not repeat the URL: it may hold a password. */
export function parseUrl(url: string, clientName?: string): Target {
  const match = shape.exec(url)
  if (!match) return fail('configuration', 'The URL must be redis://host[:port][/database] or redis+cluster://host:port,host:port.')
  const [, tls, cluster, username, password, hosts = '', database] = match
  const seeds = hosts.split(',').map((host) => ({ ...parseAddress(host), ...(tls === undefined ? {} : { tls: true }) }))
  if (cluster === undefined && seeds.length > 1) fail('configuration', 'Several hosts need redis+cluster://.')
  if (cluster !== undefined && database !== undefined && database !== '0') fail('configuration', 'A cluster has database 0 only.')
  return {
    cluster: cluster !== undefined,
    seeds,
    credentials: {
      ...(clientName === undefined ? {} : { clientName }),
      ...(username ? { username: decodeURIComponent(username) } : {}),
      ...(password === undefined ? {} : { password: decodeURIComponent(password) }),
      ...(database === undefined ? {} : { database: Number(database) }),
    },
  }
}

function parseAddress(text: string): Address {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text)
  const port = Number(match?.[2] ?? 6379)
  if (!match?.[1] || port < 1 || port > 65_535) return fail('configuration', 'A host of the Redis URL is not host or host:port.')
  return { host: match[1].replace(/^\[|\]$/g, ''), port }
}
