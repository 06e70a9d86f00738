import { sql } from 'kysely'
import type { TransferParts } from '../engine.ts'

interface Found {
  readonly name: string
  readonly columns: string[]
  readonly key: string[] | null
  readonly parents: string[]
  readonly counter: string | null
}

/** Own tables: those of the first schema of the search path. */
const own = sql`select c.oid, c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace`

export const postgresTransfer: TransferParts = {
  async describe(query) {
    const { rows } = await sql<Found>`
      select t.relname as name,
        array(select a.attname::text from pg_attribute a where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped) as columns,
        (select array(select a.attname::text from unnest(k.conkey) with ordinality as part(attnum, place)
            join pg_attribute a on a.attrelid = t.oid and a.attnum = part.attnum order by part.place)
          from pg_constraint k where k.conrelid = t.oid and k.contype = 'p') as key,
        array(select distinct p.relname::text from pg_constraint k join pg_class p on p.oid = k.confrelid
          where k.conrelid = t.oid and k.contype = 'f') as parents,
        (select a.attname::text from pg_attribute a where a.attrelid = t.oid and a.attidentity <> '' and not a.attisdropped) as counter
      from (${own}) t`.execute(query)
    const tables = []
    for (const { name, columns, key, parents, counter } of rows) {
      const counted = counter === null ? {} : { counter: { column: counter, last: await lastNumber(query, name, counter) } }
      tables.push({ name, columns, key: key ?? [], references: parents, ...counted })
    }
    return tables
  },

  async deferReferences(query) {
    const { rows: constraints } = await sql<{ table: string; name: string }>`
      select t.relname as "table", k.conname as name from pg_constraint k join (${own}) t on t.oid = k.conrelid
      where k.contype = 'f' and not k.condeferrable`.execute(query)
    for (const { table, name } of constraints)
      await sql`alter table ${sql.table(table)} alter constraint ${sql.id(name)} deferrable initially deferred`.execute(query)
    return async () => {
      await sql`set constraints all immediate`.execute(query)
      for (const { table, name } of constraints)
        await sql`alter table ${sql.table(table)} alter constraint ${sql.id(name)} not deferrable`.execute(query)
    }
  },

  async moveCounter(query, table, column, last) {
    const sequence = sql`pg_get_serial_sequence(${sql.lit(`"${table}"`)}, ${sql.lit(column)})::regclass`
    if (last > 0) await sql`select setval(${sequence}, ${last}, true)`.execute(query)
    else await sql`select setval(${sequence}, 1, false)`.execute(query)
  },
}

/** A sequence is not part of a snapshot; it can only be ahead of it, which costs numbers and nothing else. */
async function lastNumber(query: Parameters<TransferParts['describe']>[0], table: string, column: string): Promise<number> {
  const { rows } = await sql<{ last: number | null }>`
    select pg_sequence_last_value(pg_get_serial_sequence(${sql.lit(`"${table}"`)}, ${sql.lit(column)})::regclass) as last`.execute(query)
  return rows[0]?.last ?? 0
}
