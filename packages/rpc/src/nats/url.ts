export interface NatsTarget {
  readonly servers: readonly string[]
  readonly user?: string
  readonly password?: string
  /** First part of every subject. */
  readonly prefix: string
}

const shape = /^nats:\/\/(?:(?<user>[^:@/]+):(?<password>[^@/]*)@)?(?<servers>[^/?@]+)\/?(?:\?prefix=(?<prefix>[A-Za-z0-9_-]+))?$/
const defaultPrefix = 'murmuration'

/** Reads `nats://[user:password@]host:port[,host:port…][?prefix=name]`; the error does not repeat what may be a password. */
export function parseNatsUrl(url: string): NatsTarget {
  const parts = shape.exec(url)?.groups
  if (parts?.['servers'] === undefined) {
    throw new TypeError('the bus URL is not like nats://[user:password@]host:port[,host:port…][?prefix=name]')
  }
  const { user, password, servers, prefix } = parts
  return {
    servers: servers.split(','),
    prefix: prefix ?? defaultPrefix,
    ...(user === undefined ? {} : { user: decodeURIComponent(user), password: decodeURIComponent(password ?? '') }),
  }
}
