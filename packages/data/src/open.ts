import type { Database, DatabaseOptions } from './database.ts'
import { DatabaseError } from './errors.ts'
import { createHandle } from './handle.ts'
import { openSqlite } from './sqlite/open.ts'

/**
 * Opens `sqlite:/absolute/path.db`, `sqlite:relative.db`, `sqlite::memory:`, `postgres://user:password@host:port/database?schema=name`,
 * `redis://user:password@host:port?namespace=name` or `redis+cluster://host:port,host:port?namespace=name`. A `schema` or a `namespace`
 * keeps several services apart in one PostgreSQL database (made when missing) or on one Redis.
 *
 * Throws DatabaseError `unavailable` when the engine does not answer, `other` when the URL is not one of these; never with the URL
 * in the message, for it may hold a password.
 */
export async function openDatabase<DB>(url: string, options: DatabaseOptions): Promise<Database<DB>> {
  const scheme = /^([a-z]+)(?:\+cluster)?:/.exec(url)?.[1]
  switch (scheme ?? '') {
    case 'sqlite': {
      const place = url.slice('sqlite:'.length)
      if (place === '') throw new DatabaseError('other', 'A sqlite: URL needs a path or :memory: after the colon.')
      return createHandle<DB>(await openSqlite(place, options.world), options)
    }
    case 'postgres':
    case 'postgresql': {
      // pg takes 40 ms to load; embedded sites never need it.
      const { openPostgres } = await import('./postgres/open.ts')
      return createHandle<DB>(await openPostgres(url, options), options)
    }
    case 'redis':
    case 'rediss': {
      const { openRedis } = await import('./redis/open.ts')
      return createHandle<DB>(await openRedis(url, options), options)
    }
    default:
      throw new DatabaseError(
        'other',
        `No engine for ${scheme ? `${scheme}: URLs` : 'a database URL without a scheme'}: use sqlite:, postgres: or redis:.`,
      )
  }
}
