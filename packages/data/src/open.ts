import type { Database, DatabaseOptions } from './database.ts'
import { DatabaseError } from './errors.ts'
import { createHandle } from './handle.ts'
import { openSqlite } from './sqlite/open.ts'

/**
 * Opens `sqlite:/absolute/path.db`, `sqlite:relative.db`, `sqlite::memory:` or `postgres://user:password@host:port/database?schema=name`.
 * A `schema` keeps several services apart in one PostgreSQL database (made when missing).
 *
 * Throws DatabaseError `unavailable` when the engine does not answer, `other` when the URL is not one of these; never with the URL
 * in the message, for it may hold a password.
 */
export async function openDatabase<DB>(url: string, options: DatabaseOptions): Promise<Database<DB>> {
  const scheme = /^([a-z]+):/.exec(url)?.[1]
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
    default:
      throw new DatabaseError(
        'other',
        `No engine for ${scheme ? `${scheme}: URLs` : 'a database URL without a scheme'}: use sqlite: or postgres:.`,
      )
  }
}
