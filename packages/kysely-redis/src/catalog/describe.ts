import type { Engine } from '../engine.ts'
import type { Session } from '../run/session.ts'
import type { Table } from './types.ts'

/** What a program that moves whole databases wants to know of a table. */
export interface TableDescription {
  readonly name: string
  readonly columns: readonly string[]
  /** Of the primary key; empty when the table was given none. */
  readonly key: readonly string[]
  /** Tables that it refers to. */
  readonly references: readonly string[]
  /** The column that counts, and the last number given out. */
  readonly counter?: { readonly column: string; readonly last: number }
}

/** All tables, as a transaction sees them. */
export async function describeTables(
  engine: Engine,
  session: Session | undefined,
): Promise<(TableDescription & Record<string, unknown>)[]> {
  if (session) return await ofGroup(engine, [...(await session.catalogFor([])).byId.values()], session.catalog.group)
  const all = []
  for (const group of engine.groups) {
    engine.schemaChanged(group)
    all.push(...(await ofGroup(engine, [...(await engine.catalog(group)).byId.values()], group)))
  }
  return all
}

async function ofGroup(engine: Engine, tables: readonly Table[], group: string): Promise<(TableDescription & Record<string, unknown>)[]> {
  const base = engine.base(group)
  const counters = (await engine.wire.call(base, ['HGETALL', `${base}:seq`])) as string[]
  const lastOf = (id: number): number => {
    const at = counters.findIndex((field, index) => index % 2 === 0 && field === String(id))
    return at < 0 ? 0 : Number(counters[at + 1])
  }
  const names = new Map(tables.map((table) => [table.id, table.name]))
  return tables.map((table) => {
    const counted = table.definition.columns.find((column) => column.counted && !column.dropped && !column.hidden)
    return {
      name: table.name,
      columns: [...table.places.keys()],
      key: table.primary.columns.flatMap((place) => (table.column(place).hidden ? [] : [table.column(place).name])),
      references: [...new Set(table.definition.foreign.map((foreign) => names.get(foreign.table) ?? ''))],
      ...(counted ? { counter: { column: counted.name, last: lastOf(table.id) } } : {}),
    }
  })
}
