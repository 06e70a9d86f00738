import type { Engine } from '../engine.ts'
import { fail, RedisDatabaseError } from '../errors.ts'
import type { Session } from '../run/session.ts'
import type { Row } from '../values/kinds.ts'
import type { Reply } from '../wire/resp.ts'
import { checkNoNulls, fillIndex, findDuplicate, nullIn, purgeDropped, refuseNulls } from './build.ts'
import { Catalog, type Index, type Table, type TableDefinition } from './types.ts'

/** Where a change of tables goes: to the server at once, or with a transaction. Both fail as `serialization` when a check does. */
export interface SchemaHost {
  catalog(group: string): Promise<Catalog>
  /** `checks` and `writes` are operations of the server's `commit`. */
  save(catalog: Catalog, checks: readonly string[], writes: readonly string[]): Promise<void>
  /** Adds an index to a table that has rows. */
  build(catalog: Catalog, definition: TableDefinition, index: Index): Promise<void>
  /** Throws when a row has null there; else what must still hold when the change is applied. */
  checkNoNulls(table: Table, place: number): Promise<string[]>
  /** Deletes what a dropped table has left. */
  purge(group: string): Promise<void>
}

const changed = (): RedisDatabaseError =>
  new RedisDatabaseError('serialization', 'A table is not as the change of it needs; the statement can be run again.')

const define = (definition: TableDefinition): string[] => ['K', `t:${definition.id}`, JSON.stringify(definition)]

const refuseDuplicates = (table: Table, index: Index): never =>
  fail('unique', `Rows of ${table.name} have the same ${table.constraintName(index.columns)}.`, table.constraintName(index.columns))

/** One step each: the schema version rises, and every process that still works by the old one is refused. */
export class DirectHost implements SchemaHost {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async catalog(group: string): Promise<Catalog> {
    this.#engine.schemaChanged(group)
    return await this.#engine.catalog(group)
  }

  async save(catalog: Catalog, checks: readonly string[], writes: readonly string[]): Promise<void> {
    const { environment, limits } = this.#engine
    const args = [environment.uniqueId(), String(limits.outcomeKeptMs), catalog.version, ...checks, 'W', ...writes]
    const reply = (await this.#engine.call('commit', catalog.group, args)) as Reply[]
    const error = this.#engine.schemaChanged(catalog.group)
    if (reply[0] !== 'ok') throw error
  }

  /** Building (writers keep it, readers ignore it) → filled in chunks → ready. One that was left unfinished is gone on with. */
  async build(catalog: Catalog, definition: TableDefinition, index: Index): Promise<void> {
    definition.indexes = definition.indexes.map((each) => (each.id === index.id ? { ...each, state: 'building' } : each))
    await this.save(catalog, [], define(definition))
    await this.finish(catalog.group, definition.name, index.id)
  }

  async finish(group: string, name: string, id: number): Promise<void> {
    const catalog = await this.catalog(group)
    const table = catalog.byName.get(name) ?? fail('undefined-table', `There is no table ${name}.`)
    const index = table.indexes.find((each) => each.id === id) ?? fail('undefined-object', 'The index was dropped while it was built.')
    await fillIndex(this.#engine, table, index, catalog)
    const definition = structuredClone(table.definition)
    if (index.unique && (await findDuplicate(this.#engine, table, index))) {
      definition.indexes = definition.indexes.filter((each) => each.id !== id)
      await this.save(catalog, [], [...define(definition), 'X', `:i:${definition.id}:${id}`])
      refuseDuplicates(table, index)
    }
    definition.indexes = definition.indexes.map((each) => (each.id === id ? { ...each, state: 'ready' } : each))
    await this.save(catalog, [], define(definition))
  }

  async checkNoNulls(table: Table, place: number): Promise<string[]> {
    return ['T', String(table.id), await checkNoNulls(this.#engine, table, place)]
  }

  async purge(group: string): Promise<void> {
    await purgeDropped(this.#engine, group)
  }
}

/** Changes that are seen by the transaction at once, and by all others when it commits. */
export class SessionHost implements SchemaHost {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  async catalog(): Promise<Catalog> {
    return await this.#session.catalogFor([])
  }

  async save(catalog: Catalog, checks: readonly string[], writes: readonly string[]): Promise<void> {
    for (let at = 0; at + 2 < checks.length; at += 3) {
      // The only check that the session's own reads don't make by themselves: a table must be empty.
      const table = checks[at] === 'C' ? catalog.byId.get(Number(checks[at + 1])) : undefined
      if (table && (await this.#session.count(table)) > 0) throw changed()
    }
    const definitions = new Map([...catalog.byId].map(([id, table]) => [id, table.definition]))
    let next = catalog.nextTable
    for (let at = 0; at < writes.length; at += writes[at] === 'X' ? 2 : 3) {
      const [op, field = '', value = ''] = writes.slice(at, at + 3)
      if (op !== 'K') continue
      const id = Number(field.slice('t:'.length))
      if (field === 'next') next = Number(value)
      else if (!field.startsWith('t:')) continue
      else if (value === '') definitions.delete(id)
      else definitions.set(id, JSON.parse(value) as TableDefinition)
    }
    this.#session.changeSchema(new Catalog(catalog.group, catalog.version, [...definitions.values()], next), writes)
  }

  /** All entries go with the commit. */
  async build(catalog: Catalog, definition: TableDefinition, index: Index): Promise<void> {
    await this.save(catalog, [], define(definition))
    const table = this.#session.catalog.byId.get(definition.id) as Table
    const rows = await this.#session.fill(table, index)
    if (index.unique && hasDuplicate(table, index, rows)) refuseDuplicates(table, index)
  }

  async checkNoNulls(table: Table, place: number): Promise<string[]> {
    if (await nullIn(this.#session, table, place)) refuseNulls(table, place)
    return []
  }

  /** The driver does it after the commit. */
  async purge(): Promise<void> {}
}

function hasDuplicate(table: Table, index: Index, rows: readonly Row[]): boolean {
  const whole = rows.filter((row) => index.columns.every((place) => (row[place] ?? null) !== null))
  return new Set(whole.map((row) => table.keyIn(index, row))).size < whole.length
}
