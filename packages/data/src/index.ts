/** One database handle for `sqlite:` and `postgres:` URLs (a key-value engine joins by the same seam). */
export { openDatabase } from './open.ts'
export type { Database, DatabaseOptions, TransactionOptions, Queryable, Transaction } from './database.ts'
export { DatabaseError, isUniqueViolation, isForeignKeyViolation } from './errors.ts'
export { type Migrations, type Columns } from './migrations.ts'
export { keysetPage, type PageRequest, type Page, InvalidMarker } from './paging.ts'
export { bulkInsert, upsert, updateFrom } from './bulk.ts'
export { flag, type Flag, timestamp, type Timestamp, json, type Json } from './values.ts'
export { countStatements } from './statements.ts'
