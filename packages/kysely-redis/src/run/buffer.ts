import type { Index, Table } from '../catalog/types.ts'
import type { Row } from '../values/kinds.ts'

/** A row that the transaction has written. Null: not there. */
export interface Written {
  /** As stored on the server, so that its index entries can be removed. */
  readonly stored: Row | null
  readonly now: Row | null
}

interface Undo {
  readonly table: TableBuffer
  readonly key: string
  readonly before: Written | undefined
}

/** What a transaction has written of one table. */
export class TableBuffer {
  table: Table
  readonly rows = new Map<string, Written>()
  /** index → encoded columns → keys of rows: uniqueness among own writes without looking at each. */
  readonly #byKey = new Map<number, Map<string, Set<string>>>()

  constructor(table: Table) {
    this.table = table
  }

  /** The table was changed in this transaction: rows get the columns that were added. */
  retable(table: Table): void {
    this.table = table
    for (const { stored, now } of this.rows.values())
      for (const row of [stored, now]) while (row && row.length < table.kinds.length) row.push(table.missing[row.length] ?? null)
    for (const id of this.#byKey.keys()) if (!table.indexes.some((index) => index.id === id)) this.#byKey.delete(id)
  }

  set(key: string, written: Written | undefined): void {
    const before = this.rows.get(key)
    if (before?.now) this.#forget(key, before.now)
    if (written === undefined) this.rows.delete(key)
    else this.rows.set(key, written)
    if (written?.now) this.#remember(key, written.now)
  }

  /** Rows whose columns in the index have exactly this encoding. */
  withKey(index: Index, encoded: string): readonly string[] {
    return [...(this.#keysOf(index).get(encoded) ?? [])]
  }

  #keysOf(index: Index): Map<string, Set<string>> {
    let keys = this.#byKey.get(index.id)
    if (keys === undefined) {
      keys = new Map()
      this.#byKey.set(index.id, keys)
      for (const [key, written] of this.rows) if (written.now) add(keys, this.table.keyIn(index, written.now), key)
    }
    return keys
  }

  #remember(key: string, row: Row): void {
    for (const [id, keys] of this.#byKey) add(keys, this.table.keyIn(this.#index(id), row), key)
  }

  #forget(key: string, row: Row): void {
    for (const [id, keys] of this.#byKey) keys.get(this.table.keyIn(this.#index(id), row))?.delete(key)
  }

  #index(id: number): Index {
    return this.table.indexes.find((index) => index.id === id) as Index
  }
}

const add = (keys: Map<string, Set<string>>, encoded: string, key: string): void => {
  const set = keys.get(encoded)
  if (set) set.add(key)
  else keys.set(encoded, new Set([key]))
}

/** All writes of a transaction, in the order they can be taken back. */
export class WriteBuffer {
  readonly tables = new Map<number, TableBuffer>()
  /** Ids given explicitly: the table's counter is raised to them. */
  readonly counters = new Map<number, number>()
  readonly #undo: Undo[] = []

  get empty(): boolean {
    return this.tables.size === 0
  }

  /** Nothing is written but deletions. */
  get onlyDeletes(): boolean {
    return this.counters.size === 0 && [...this.tables.values()].every((own) => [...own.rows.values()].every(({ now }) => now === null))
  }

  of(table: Table): TableBuffer {
    let buffer = this.tables.get(table.id)
    if (buffer === undefined) this.tables.set(table.id, (buffer = new TableBuffer(table)))
    return buffer
  }

  find(table: Table): TableBuffer | undefined {
    return this.tables.get(table.id)
  }

  write(table: Table, key: string, stored: Row | null, now: Row | null): void {
    const buffer = this.of(table)
    const before = buffer.rows.get(key)
    this.#undo.push({ table: buffer, key, before })
    buffer.set(key, { stored: before ? before.stored : stored, now })
  }

  /** By the table's number: dropped tables take their rows along. */
  retable(byId: ReadonlyMap<number, Table>): void {
    for (const [id, buffer] of this.tables) {
      const table = byId.get(id)
      if (table) buffer.retable(table)
      else this.tables.delete(id)
    }
  }

  raiseCounter(table: Table, id: number): void {
    if (id > (this.counters.get(table.id) ?? 0)) this.counters.set(table.id, id)
  }

  mark(): number {
    return this.#undo.length
  }

  rollbackTo(mark: number): void {
    while (this.#undo.length > mark) {
      const undo = this.#undo.pop() as Undo
      undo.table.set(undo.key, undo.before)
    }
  }
}
