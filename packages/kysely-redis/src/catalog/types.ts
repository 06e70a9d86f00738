import { fail } from '../errors.ts'
import type { ReferenceIr } from '../compile/ir.ts'
import { encodeKey, KeyReader, memberOf } from '../values/encoding.ts'
import type { Kind, Row, Value } from '../values/kinds.ts'
import { decodeRow } from '../values/rows.ts'

/** A column keeps its place in stored rows for ever: renaming changes the name, dropping leaves a gap. */
export interface Column {
  name: string
  readonly kind: Kind
  notNull: boolean
  readonly counted: boolean
  /** `[value]` as a stored row. */
  default?: string
  /** What rows have that were written before the column was added, as `default`. */
  readonly missing?: string
  dropped?: boolean
  /** Not to be seen: the number of a row in a table without a primary key. */
  readonly hidden?: boolean
}

export interface Index {
  readonly id: number
  readonly name: string
  /** Places of columns. */
  readonly columns: readonly number[]
  readonly unique: boolean
  readonly primary: boolean
  /** Writers keep an index that is building, readers don't use it yet. */
  state: 'building' | 'ready'
  /** Made for a constraint, and dropped with it. */
  readonly constraint?: boolean
}

export interface Foreign {
  readonly name: string
  readonly columns: readonly number[]
  readonly table: number
  /** Places of columns in the other table, which are a unique key there. */
  readonly references: readonly number[]
  readonly onDelete: ReferenceIr['onDelete']
}

/** What is stored of a table. */
export interface TableDefinition {
  readonly id: number
  name: string
  columns: Column[]
  indexes: Index[]
  foreign: Foreign[]
  nextIndex: number
}

/** A table as statements see it. */
export class Table {
  readonly definition: TableDefinition
  readonly id: number
  readonly name: string
  readonly group: string
  readonly kinds: readonly Kind[]
  readonly missing: Row
  readonly primary: Index
  /** The primary key first. */
  readonly uniques: readonly Index[]
  /** Names of columns that exist, in order, with their places. */
  readonly places: ReadonlyMap<string, number>

  constructor(definition: TableDefinition, group: string) {
    this.definition = definition
    this.id = definition.id
    this.name = definition.name
    this.group = group
    this.kinds = definition.columns.map((column) => column.kind)
    this.missing = definition.columns.map((column, place) => defaultOf(column.missing, this.kinds[place] as Kind))
    this.primary = definition.indexes.find((index) => index.primary) as Index
    this.uniques = definition.indexes.filter((index) => index.unique).toSorted((a, b) => Number(b.primary) - Number(a.primary))
    this.places = new Map(
      definition.columns.flatMap((column, place) => (column.dropped || column.hidden ? [] : [[column.name, place] as const])),
    )
  }

  get indexes(): readonly Index[] {
    return this.definition.indexes
  }

  column(place: number): Column {
    return this.definition.columns[place] as Column
  }

  placeOf(name: string): number {
    return this.places.get(name) ?? fail('undefined-column', `Table ${this.name} has no column ${name}.`)
  }

  defaultOf(place: number): Value {
    return defaultOf(this.column(place).default, this.kinds[place] as Kind)
  }

  decode(text: string): Row {
    return decodeRow(text, this.kinds, this.missing)
  }

  /** The encoded columns of a row in an index, without the row's key. */
  keyIn(index: Index, row: Row): string {
    let key = ''
    for (const place of index.columns) key += encodeKey(row[place] ?? null, this.kinds[place] as Kind)
    return key
  }

  rowKey(row: Row): string {
    return this.keyIn(this.primary, row)
  }

  memberIn(index: Index, row: Row): string {
    const key = this.keyIn(index, row)
    return index.primary ? memberCheck(key, this) : memberOf(key, this.rowKey(row), index.name)
  }

  /** The columns of a row that an entry of an index holds, and those of the row's key; null for others. */
  rowIn(index: Index, member: string): Row {
    const row: Row = this.kinds.map(() => null)
    const reader = new KeyReader(member)
    for (const place of index.columns) row[place] = reader.next(this.kinds[place] as Kind)
    if (!index.primary) for (const place of this.primary.columns) row[place] = reader.next(this.kinds[place] as Kind)
    return row
  }

  /** Does an entry of the index tell these columns? */
  covers(index: Index, places: ReadonlySet<number>): boolean {
    for (const place of places) if (!index.columns.includes(place) && !this.primary.columns.includes(place)) return false
    return true
  }

  /** `table.column` for each, as errors name a constraint. */
  constraintName(places: readonly number[]): string {
    return places.map((place) => `${this.name}.${this.column(place).name}`).join(', ')
  }
}

const memberCheck = (key: string, table: Table): string =>
  key.length > 1024 ? fail('too-large', `The primary key of ${table.name} is too long: 1024 characters at most.`) : key

const defaultOf = (text: string | undefined, kind: Kind): Value => (text === undefined ? null : (decodeRow(text, [kind], [])[0] ?? null))

/** The tables of one placement group, as of a schema version. */
export class Catalog {
  readonly group: string
  readonly version: string
  readonly byName: ReadonlyMap<string, Table>
  readonly byId: ReadonlyMap<number, Table>
  readonly nextTable: number
  /** Foreign keys that point to a table: table → the tables that refer to it. */
  readonly referrers: ReadonlyMap<number, readonly { table: Table; foreign: Foreign }[]>

  constructor(group: string, version: string, definitions: readonly TableDefinition[], nextTable: number) {
    this.group = group
    this.version = version
    this.nextTable = nextTable
    const tables = definitions.map((definition) => new Table(definition, group))
    this.byName = new Map(tables.map((table) => [table.name, table]))
    this.byId = new Map(tables.map((table) => [table.id, table]))
    const referrers = new Map<number, { table: Table; foreign: Foreign }[]>()
    for (const table of tables)
      for (const foreign of table.definition.foreign) {
        const list = referrers.get(foreign.table) ?? []
        list.push({ table, foreign })
        referrers.set(foreign.table, list)
      }
    this.referrers = referrers
  }
}
