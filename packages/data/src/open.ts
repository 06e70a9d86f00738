import type { Database, DatabaseOptions } from './database.ts'

/**
 * Opens `sqlite:/absolute/path.db`, `sqlite:relative.db`, `sqlite::memory:` or `postgres://user:password@host:port/database?schema=name`.
 * A `schema` keeps several services apart in one PostgreSQL database (made when missing).
 */
export declare function openDatabase<DB>(url: string, options: DatabaseOptions): Promise<Database<DB>>
