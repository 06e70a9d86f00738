import type { Table } from './catalog/types.ts'
import type { Engine } from './engine.ts'
import { versionLength } from './values/rows.ts'

export interface CheckReport {
  readonly tables: number
  readonly rows: number
  readonly entries: number
  /** One sentence each, with names of tables and indexes and no values; empty when all is well. */
  readonly problems: readonly string[]
}

const chunk = 500

/**
 * Walks all keys of the database: every row is in every index exactly once, no index has more, unique keys are unique, and nothing lies
 * about that no table owns. Meant for a database at rest; writes meanwhile may be told as problems.
 */
export async function checkDatabase(engine: Engine): Promise<CheckReport> {
  const problems: string[] = []
  let [tables, rows, entries] = [0, 0, 0]
  for (const group of engine.groups) {
    engine.schemaChanged(group)
    const catalog = await engine.catalog(group)
    const known = new Set<string>()
    for (const table of catalog.byId.values()) {
      const found = await checkTable(engine, table, known, problems)
      tables++
      rows += found.rows
      entries += found.entries
    }
    await findOrphans(engine, group, known, problems)
  }
  return { tables, rows, entries, problems }
}

async function checkTable(
  engine: Engine,
  table: Table,
  known: Set<string>,
  problems: string[],
): Promise<{ rows: number; entries: number }> {
  const base = engine.base(table.group)
  const keys = await members(engine, base, `${base}:i:${table.id}:${table.primary.id}`)
  const expected = new Map(table.indexes.map((index) => [index.id, new Set<string>()]))
  const seen = new Map(table.uniques.map((index) => [index.id, new Set<string>()]))
  for (let at = 0; at < keys.length; at += chunk) {
    const names = keys.slice(at, at + chunk).map((key) => `${base}:r:${table.id}:${key}`)
    const texts = (await engine.wire.call(base, ['MGET', ...names])) as (string | null)[]
    for (const [index, name] of names.entries()) {
      known.add(name)
      const text = texts[index]
      if (typeof text !== 'string') {
        problems.push(`${table.name}: the primary key has an entry without a row`)
        continue
      }
      const row = table.decode(text.slice(versionLength))
      if (table.rowKey(row) !== keys[at + index]) problems.push(`${table.name}: a row lies under another row's key`)
      for (const each of table.indexes) expected.get(each.id)?.add(table.memberIn(each, row))
      for (const unique of table.uniques) {
        if (unique.columns.some((place) => (row[place] ?? null) === null)) continue
        const key = table.keyIn(unique, row)
        if (seen.get(unique.id)?.has(key)) problems.push(`${table.name}: two rows have the same key in ${unique.name}`)
        seen.get(unique.id)?.add(key)
      }
    }
  }
  let entries = 0
  for (const index of table.indexes) {
    const wanted = expected.get(index.id) as Set<string>
    const actual = await members(engine, base, `${base}:i:${table.id}:${index.id}`)
    entries += actual.length
    const extra = actual.filter((member) => !wanted.has(member)).length
    const missing = wanted.size - (actual.length - extra)
    if (extra > 0) problems.push(`${table.name}: index ${index.name} has ${extra} entries that no row owns`)
    if (missing > 0 && index.state === 'ready') problems.push(`${table.name}: index ${index.name} lacks ${missing} entries`)
  }
  return { rows: keys.length, entries }
}

async function members(engine: Engine, base: string, key: string): Promise<string[]> {
  const all: string[] = []
  for (let low = '-'; ;) {
    const part = (await engine.wire.call(base, ['ZRANGE', key, low, '+', 'BYLEX', 'LIMIT', 0, chunk])) as string[]
    all.push(...part)
    if (part.length < chunk) return all
    low = `(${part.at(-1) ?? ''}`
  }
}

async function findOrphans(engine: Engine, group: string, known: ReadonlySet<string>, problems: string[]): Promise<void> {
  const base = engine.base(group)
  let orphans = 0
  let cursor = '0'
  do {
    const [next, keys] = (await engine.wire.call(base, ['SCAN', cursor, 'MATCH', `${base}:r:*`, 'COUNT', 1_000])) as [string, string[]]
    orphans += keys.filter((key) => !known.has(key)).length
    cursor = next
  } while (cursor !== '0')
  if (orphans > 0) problems.push(`group ${group}: ${orphans} rows that no table owns`)
}
