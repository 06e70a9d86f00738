import { createHash } from 'node:crypto'
import { CompiledQuery, PostgresAdapter, PostgresDriver, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely'
import type { DatabaseConnection, Driver } from 'kysely'
import pg from 'pg'
import { encode } from '../codec.ts'
import type { DatabaseOptions } from '../database.ts'
import type { EngineParts } from '../engine.ts'
import { DatabaseError } from '../errors.ts'
import { postgresColumns } from '../migrations.ts'
import { postgresTransfer } from './transfer.ts'
import { translatePostgres } from './translate.ts'

const connectLimitMs = 10_000
/** A transaction awaits nothing but the database; one that is idle for this long belongs to a process that hangs. */
const idleTransactionLimitMs = 60_000

/** Numbers as numbers: int8 and numeric (what `sum` makes of int8). Beyond 2^53 we would be wrong, so we say so. */
const asNumber = (text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new DatabaseError('check', 'PostgreSQL: a number over 2^53 was read.')
  return value
}
const numeric: ReadonlySet<number> = new Set([pg.types.builtins.INT8, pg.types.builtins.NUMERIC])
const defaultParser = pg.types.getTypeParser as (oid: number, format?: 'text') => unknown
const types = {
  getTypeParser: ((oid: number, format?: 'text') =>
    numeric.has(oid) ? asNumber : defaultParser(oid, format)) as typeof pg.types.getTypeParser,
}

/** Splits our own `schema` parameter off; everything else is pg's. */
function readUrl(url: string): { connectionString: string; schema: string | undefined } {
  if (!URL.canParse(url)) throw new DatabaseError('other', 'The postgres: URL can not be read.')
  const parsed = new URL(url)
  const schema = parsed.searchParams.get('schema') ?? undefined
  parsed.searchParams.delete('schema')
  if (schema !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new DatabaseError('other', 'The schema of the postgres: URL must be lower-case letters, digits and _ (63 at most).')
  }
  return { connectionString: parsed.href, schema }
}

/** Parameters go through the codec that SQLite uses too. */
class EncodingDriver extends PostgresDriver {
  override async acquireConnection(options?: Parameters<Driver['acquireConnection']>[0]): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection(options)
    if (!encoded.has(connection)) {
      encoded.add(connection)
      const execute = connection.executeQuery.bind(connection)
      connection.executeQuery = (query) => execute({ ...query, parameters: query.parameters.map(encode) })
    }
    return connection
  }
}
const encoded = new WeakSet<DatabaseConnection>()

/** Several processes may open a new schema at once: the loser of the race finds it made. */
async function makeSchema(pool: pg.Pool, schema: string): Promise<void> {
  const { rowCount } = await pool.query('select 1 from pg_namespace where nspname = $1', [schema])
  if (rowCount) return
  try {
    await pool.query(`create schema if not exists "${schema}"`)
  } catch (error) {
    if (translatePostgres(error).kind !== 'unique') throw error
  }
}

/** A pool of at most `maxConnections`; sockets are opened when first needed. */
export async function openPostgres(url: string, options: DatabaseOptions): Promise<EngineParts> {
  const { connectionString, schema } = readUrl(url)
  const settings = [
    `statement_timeout=${options.statementTimeoutMs ?? 30_000}`,
    `idle_in_transaction_session_timeout=${idleTransactionLimitMs}`,
    ...(schema ? [`search_path=${schema}`] : []),
  ]
  const pool = new pg.Pool({
    connectionString,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: connectLimitMs,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    application_name: `murmuration ${options.name}`,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
    types,
  })
  const clients = new Set<pg.PoolClient>()
  pool.on('connect', (client) => {
    clients.add(client)
    // A client that is lost while it is checked out rejects its query; without a listener the loss would end the process too.
    client.on('error', () => {})
  })
  pool.on('remove', (client) => void clients.delete(client))
  pool.on('error', () => options.world.log.warn('a database connection was lost while idle', { database: options.name }))
  const end = once(async () => {
    // The pool itself would wait for those who hold a client. Ending it under them makes the server roll back.
    void pool.end()
    await Promise.allSettled(
      [...clients].map((client) => {
        // An idle client does not keep the process alive; our goodbye to it does.
        const whole = client as unknown as pg.Client & { ref(): void }
        whole.ref()
        return whole.end()
      }),
    )
  })
  try {
    if (schema) await makeSchema(pool, schema)
    else await pool.query('select 1')
  } catch (error) {
    await end()
    throw translatePostgres(error)
  }
  return {
    engine: 'postgres',
    columns: postgresColumns,
    world: options.world,
    transfer: postgresTransfer,
    dialect: {
      createDriver: () => new EncodingDriver({ pool }),
      createAdapter: () => new PostgresAdapter(),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createIntrospector: (db) => new PostgresIntrospector(db),
    },
    translate: translatePostgres,
    async lock(query, name) {
      await query.executeQuery(CompiledQuery.raw('select pg_advisory_xact_lock($1)', [lockNumber(`${schema ?? ''}:${name}`)]))
    },
    // Serializable transactions lose races also against rows that only lie on the same page as theirs: in a small table, all the time.
    queueWhoLoses: true,
    async lockSession(connection, name) {
      const number = lockNumber(`${schema ?? ''}:${name}`)
      const taken = await connection.executeQuery(CompiledQuery.raw('select pg_advisory_lock($1)', [number])).then(
        () => true,
        // Who has waited for as long as a statement may take goes without: its turn is no promise.
        () => false,
      )
      return async () => {
        // A connection that is gone has let go of it.
        if (taken) await connection.executeQuery(CompiledQuery.raw('select pg_advisory_unlock($1)', [number])).catch(() => {})
      }
    },
    async tableExists(query, table) {
      const { rows } = await sql<{ found: string | null }>`select to_regclass(${`"${table}"`})::text as found`.execute(query)
      return (rows[0]?.found ?? null) !== null
    },
    forMigrations: (query) => query,
    async check(query) {
      // Its own checksums and constraints look after the rest.
      const { rows } = await sql<{ name: string }>`
        select c.relname::text as name from pg_index i join pg_class c on c.oid = i.indexrelid
        where not i.indisvalid and c.relnamespace = current_schema()::regnamespace`.execute(query)
      return rows.map((row) => `index ${row.name} is not valid`)
    },
    async ping(query) {
      await sql`select 1`.execute(query)
    },
    shutDown: end,
  }
}

/** Advisory locks are keyed by 64 bit; different schemas of one database don't share names. */
const lockNumber = (name: string): bigint => createHash('sha256').update(name).digest().readBigInt64BE(0)

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => (running ??= work())
}
