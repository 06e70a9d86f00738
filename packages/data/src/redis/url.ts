import { DatabaseError } from '../errors.ts'

export interface RedisUrl {
  /** What kysely-redis takes: without our own parameters. */
  readonly url: string
  readonly namespace: string
  /** Whether the server must keep its data over a restart. */
  readonly persistence: 'append-only' | 'any'
  /** Answers that are kept in the process until they change; undefined: none. */
  readonly nearCacheEntries: number | undefined
}

const usage =
  'The Redis URL must be redis://[user:password@]host[:port][/database]?namespace=name or redis+cluster://host:port,host:port?namespace=name (rediss for TLS).'

/** Splits our parameters off. Its errors never repeat the URL, which may hold a password. */
export function readRedisUrl(text: string): RedisUrl {
  const [url = '', query = '', ...more] = text.split('?')
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].filter((key) => !['namespace', 'persistence', 'near-cache'].includes(key))
  if (more.length > 0 || unknown.length > 0) throw new DatabaseError('other', usage)
  const namespace = parameters.get('namespace') ?? 'murmuration'
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(namespace))
    throw new DatabaseError('other', 'The namespace of the Redis URL must be 1 to 64 of letters, digits, dot, dash, underscore.')
  const persistence = parameters.get('persistence') ?? 'append-only'
  if (!['append-only', 'none'].includes(persistence))
    throw new DatabaseError('other', 'The persistence of the Redis URL must be append-only or none.')
  const nearCache = parameters.get('near-cache') ?? '0'
  if (!/^\d{1,7}$/.test(nearCache))
    throw new DatabaseError('other', 'The near-cache of the Redis URL must be a number of answers to keep, or 0.')
  return {
    url,
    namespace,
    persistence: persistence === 'none' ? 'any' : 'append-only',
    nearCacheEntries: Number(nearCache) || undefined,
  }
}
