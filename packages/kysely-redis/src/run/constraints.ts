import type { Foreign, Index, Table } from '../catalog/types.ts'
import { fail } from '../errors.ts'
import { afterAll, encodeKey } from '../values/encoding.ts'
import type { Kind, Row } from '../values/kinds.ts'
import type { Found } from './reads.ts'
import type { Session } from './session.ts'

const isWhole = (row: Row, places: readonly number[]): boolean => places.every((place) => (row[place] ?? null) !== null)

export function checkNotNull(table: Table, row: Row): void {
  for (const [place, column] of table.definition.columns.entries())
    if (column.notNull && !column.dropped && (row[place] ?? null) === null)
      fail('not-null', `${table.name}.${column.name} must not be null.`, `${table.name}.${column.name}`)
}

export const violated = (table: Table, index: Index): never =>
  fail('unique', `A row with the same ${table.constraintName(index.columns)} exists already.`, table.constraintName(index.columns))

/** Rows that have this row's values in a unique index; none when one of them is null. */
export async function sameInIndex(session: Session, table: Table, index: Index, row: Row): Promise<Found[]> {
  if (!isWhole(row, index.columns)) return []
  return await withKey(session, table, index, table.keyIn(index, row), 2)
}

async function withKey(session: Session, table: Table, index: Index, key: string, limit: number): Promise<Found[]> {
  if (index.primary) return (await session.rows.get(table, [key])).filter((found) => found !== null)
  const { found } = await session.rows.range(table, {
    index,
    low: `[${key}`,
    high: `(${key}${afterAll}`,
    reverse: false,
    limit,
    exactly: key,
  })
  return found
}

/** Entries whose first columns are these: the rows that refer to a parent. */
async function allWithPrefix(session: Session, table: Table, index: Index, key: string): Promise<Found[]> {
  const all: Found[] = []
  const whole = { index, low: `[${key}`, high: `(${key}${afterAll}`, reverse: false, limit: session.rowsPerCall }
  let result = await session.rows.range(table, whole)
  for (;;) {
    all.push(...result.found)
    if (!result.next) return all
    result = await session.rows.range(table, result.next)
  }
}

/**
 * Looks after uniqueness and references of what one statement has written to the buffer. Uniqueness and references are judged by the
 * state at the statement's end. All look-ups are reads of the transaction, so the commit validates them.
 */
export class ConstraintKeeper {
  readonly #session: Session
  readonly #written: { table: Table; row: Row; before: Row | null; known: boolean }[] = []
  readonly #unreferenced: { table: Table; row: Row }[] = []

  constructor(session: Session) {
    this.#session = session
  }

  /** Writes a row: new, or in the place of another of the same table. `known`: its unique keys have been looked up. */
  put(table: Table, row: Row, before: Row | null, known = false): void {
    checkNotNull(table, row)
    const { buffer } = this.#session
    const key = table.rowKey(row)
    const oldKey = before && table.rowKey(before)
    if (before && oldKey !== null && oldKey !== key) {
      // Within one statement another row may have taken the old key already.
      const there = buffer.find(table)?.rows.get(oldKey)
      if (there === undefined || there.now === before) buffer.write(table, oldKey, before, null)
    }
    buffer.write(table, key, oldKey === key ? before : null, row)
    this.#written.push({ table, row, before, known })
    if (before && this.#isReferred(table, before, row)) this.#unreferenced.push({ table, row: before })
  }

  #isReferred(table: Table, before: Row, after: Row): boolean {
    const referrers = this.#session.catalog.referrers.get(table.id) ?? []
    return referrers.some(({ foreign }) => keyBy(table, foreign.references, before) !== keyBy(table, foreign.references, after))
  }

  /** Deletes rows and, where references say so, the rows that refer to them. */
  async remove(table: Table, rows: readonly Row[]): Promise<void> {
    const { buffer, catalog } = this.#session
    for (const row of rows) buffer.write(table, table.rowKey(row), row, null)
    if (rows.length === 0) return
    for (const { table: child, foreign } of catalog.referrers.get(table.id) ?? []) {
      if (foreign.onDelete === 'no action' || foreign.onDelete === 'restrict') {
        for (const row of rows) this.#unreferenced.push({ table, row })
        continue
      }
      const children = await this.#children(table, child, foreign, rows)
      if (foreign.onDelete === 'cascade') await this.remove(child, children)
      else
        for (const row of children)
          this.put(
            child,
            row.map((value, place) => (foreign.columns.includes(place) ? null : value)),
            row,
          )
    }
  }

  async #children(table: Table, child: Table, foreign: Foreign, rows: readonly Row[]): Promise<Row[]> {
    const index = referenceIndex(child, foreign)
    const whole = rows.filter((row) => isWhole(row, foreign.references))
    const lists = await Promise.all(whole.map((row) => allWithPrefix(this.#session, child, index, keyBy(table, foreign.references, row))))
    const byKey = new Map(lists.flat().map((found) => [found.key, found.row]))
    return [...byKey.values()]
  }

  /** Judges the whole statement. Throws the first violation; the caller takes the writes back. */
  async settle(): Promise<void> {
    const checks: Promise<void>[] = []
    const later = (check: () => Promise<void>): void => {
      if (!this.#session.defer(check)) checks.push(check())
    }
    for (const { table, row, before, known } of this.#written) {
      // Written once more in the same statement: only the last counts.
      if (!this.#isCurrent(table, row)) continue
      for (const index of table.uniques)
        if (!known && !index.primary && (before === null || table.keyIn(index, before) !== table.keyIn(index, row)))
          checks.push(this.#checkUnique(table, index, row))
      for (const foreign of table.definition.foreign)
        if (before === null || keyBy(table, foreign.columns, before) !== keyBy(table, foreign.columns, row))
          later(() => (this.#isCurrent(table, row) ? this.#checkParent(table, foreign, row) : Promise.resolve()))
    }
    for (const { table, row } of this.#unreferenced)
      for (const { table: child, foreign } of this.#session.catalog.referrers.get(table.id) ?? [])
        later(() => this.#checkNoChildren(table, child, foreign, row))
    // All of them travel together; the first failure in the order above is told.
    for (const result of await Promise.allSettled(checks)) if (result.status === 'rejected') throw result.reason
  }

  #isCurrent(table: Table, row: Row): boolean {
    return this.#session.buffer.find(table)?.rows.get(table.rowKey(row))?.now === row
  }

  async #checkUnique(table: Table, index: Index, row: Row): Promise<void> {
    const key = table.rowKey(row)
    const others = await sameInIndex(this.#session, table, index, row)
    if (others.some((found) => found.key !== key)) violated(table, index)
  }

  async #checkParent(table: Table, foreign: Foreign, row: Row): Promise<void> {
    if (!isWhole(row, foreign.columns)) return
    const parent = this.#parent(foreign)
    if (!(await this.#exists(parent, foreign, keyBy(table, foreign.columns, row))))
      fail(
        'foreign-key',
        `The row of ${parent.name} that ${table.constraintName(foreign.columns)} refers to does not exist.`,
        table.constraintName(foreign.columns),
      )
  }

  async #exists(parent: Table, foreign: Foreign, key: string): Promise<boolean> {
    const index = parent.uniques.find(
      (unique) =>
        unique.columns.length === foreign.references.length && unique.columns.every((place, at) => foreign.references[at] === place),
    )
    const own = this.#session.buffer.find(parent)?.rows.has(key) ?? false
    if (this.#session.hopeful && (index ?? parent.primary).primary && !own) {
      this.#session.assumed.present(parent, key)
      return true
    }
    return (await withKey(this.#session, parent, index ?? parent.primary, key, 1)).length > 0
  }

  #parent(foreign: Foreign): Table {
    return this.#session.catalog.byId.get(foreign.table) ?? fail('corrupt', 'A reference points to a table that is gone.')
  }

  async #checkNoChildren(table: Table, child: Table, foreign: Foreign, row: Row): Promise<void> {
    if (!isWhole(row, foreign.references)) return
    const key = keyBy(table, foreign.references, row)
    const children = await withKeyPrefix(this.#session, child, referenceIndex(child, foreign), key)
    if (children.length === 0) return
    // Another row may have taken the key's place within the statement.
    if (await this.#exists(table, foreign, key)) return
    fail('foreign-key', `Rows of ${child.name} still refer to a row of ${table.name}.`, child.constraintName(foreign.columns))
  }
}

const withKeyPrefix = async (session: Session, table: Table, index: Index, key: string): Promise<Found[]> =>
  (await session.rows.range(table, { index, low: `[${key}`, high: `(${key}${afterAll}`, reverse: false, limit: 1 })).found

const keyBy = (table: Table, places: readonly number[], row: Row): string =>
  places.map((place) => encodeKey(row[place] ?? null, table.kinds[place] as Kind)).join('')

/** Every reference has an index that begins with its columns, made with it. */
export const referenceIndex = (child: Table, foreign: Foreign): Index =>
  child.indexes.find((index) => foreign.columns.every((place, at) => index.columns[at] === place)) ??
  fail('corrupt', `A reference of ${child.name} has no index.`)
