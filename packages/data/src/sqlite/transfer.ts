import { sql, type Driver, type Kysely } from 'kysely'
import type { World } from '@murmuration/world'
import type { TransferParts } from '../engine.ts'
import { retryBusy } from './driver.ts'
import { openSqliteFile, type SqliteFile } from './file.ts'

interface Column {
  readonly name: string
  /** Place in the primary key, from 1; 0 when it is not part of it. */
  readonly pk: number
}

export const sqliteTransfer: TransferParts = {
  async describe(query) {
    const { rows: found } = await sql<{ name: string; text: string }>`
      select name, sql as text from sqlite_master where type = 'table' and name not glob 'sqlite_*'`.execute(query)
    return await Promise.all(
      found.map(async ({ name, text }) => {
        const { rows: columns } = await sql<Column>`select name, pk from pragma_table_info(${name})`.execute(query)
        const { rows: parents } = await sql<{ parent: string }>`
          select distinct "table" as parent from pragma_foreign_key_list(${name})`.execute(query)
        const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk)
        const counted = key.length === 1 && /\bautoincrement\b/i.test(text)
        return {
          name,
          columns: columns.map((column) => column.name),
          key: key.map((column) => column.name),
          references: parents.map(({ parent }) => parent),
          ...(counted ? { counter: { column: key[0]?.name ?? '', last: await lastNumber(query, name) } } : {}),
        }
      }),
    )
  },

  async deferReferences(query) {
    // Ends with the transaction; the commit checks what is left.
    await sql`pragma defer_foreign_keys = on`.execute(query)
    return async () => {}
  },

  async moveCounter(query, table, _column, last) {
    const { numAffectedRows } = await sql`update sqlite_sequence set seq = ${last} where name = ${table}`.execute(query)
    if (numAffectedRows === 0n) await sql`insert into sqlite_sequence (name, seq) values (${table}, ${last})`.execute(query)
  },
}

async function lastNumber(query: Kysely<unknown>, table: string): Promise<number> {
  const { rows } = await sql<{ seq: number }>`select seq from sqlite_sequence where name = ${table}`.execute(query)
  return rows[0]?.seq ?? 0
}

/** A connection of its own for each transaction, which sees the file as it was when it began and holds nobody up. */
export function createSnapshotDriver(path: string, world: World): Driver {
  const files = new WeakMap<object, SqliteFile>()
  const fileOf = (connection: object): SqliteFile => files.get(connection) as SqliteFile
  return {
    init: async () => {},
    async acquireConnection() {
      const file = openSqliteFile(path, { readOnly: true })
      const connection = {
        executeQuery: async <R>(query: { sql: string; parameters: readonly unknown[] }) =>
          file.execute(query.sql, query.parameters) as { rows: R[] },
        async *streamQuery<R>(query: { sql: string; parameters: readonly unknown[] }) {
          for (const row of file.iterate(query.sql, query.parameters)) yield { rows: [row as R] }
        },
      }
      files.set(connection, file)
      return connection
    },
    async beginTransaction(connection) {
      const file = fileOf(connection)
      file.run('begin')
      // The view is fixed by the first read, not by `begin`.
      await retryBusy(world, () => file.execute('select count(*) from sqlite_master', []))
    },
    commitTransaction: async (connection) => fileOf(connection).run('commit'),
    rollbackTransaction: async (connection) => fileOf(connection).run('rollback'),
    releaseConnection: async (connection) => fileOf(connection).close(),
    destroy: async () => {},
  }
}
