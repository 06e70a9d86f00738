import type { AlterationIr, ColumnIr, ConstraintIr, ReferenceIr, SchemaIr } from '../compile/ir.ts'
import type { Engine } from '../engine.ts'
import { fail, isSerializationFailure } from '../errors.ts'
import { encodeRow } from '../values/rows.ts'
import { fitColumn, type Kind, type Value } from '../values/kinds.ts'
import type { Session } from '../run/session.ts'
import { DirectHost, SessionHost, type SchemaHost } from './hosts.ts'
import { type Catalog, type Column, type Foreign, type Index, type TableDefinition } from './types.ts'

const attempts = 20
/** The key of rows whose table was given none. No name of a column can be the same: it is empty. */
const rowNumber = ''

/** Runs a statement that changes tables outside of a transaction: applied at once and by itself. */
export async function changeSchema(engine: Engine, ir: SchemaIr): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await new SchemaChange(engine, new DirectHost(engine)).run(ir)
    } catch (error) {
      if (!isSerializationFailure(error) || attempt === attempts) throw error
    }
  }
}

/** Runs one as a part of a transaction. */
export async function changeSchemaIn(session: Session, ir: SchemaIr): Promise<void> {
  if (ir.t !== 'drop-index') await session.catalogFor([ir.table])
  await new SchemaChange(session.engine, new SessionHost(session)).run(ir)
}

class SchemaChange {
  readonly #engine: Engine
  readonly #host: SchemaHost

  constructor(engine: Engine, host: SchemaHost) {
    this.#engine = engine
    this.#host = host
  }

  async run(ir: SchemaIr): Promise<void> {
    if (ir.t === 'drop-index') return await this.#dropIndex(ir)
    const catalog = await this.#fresh(this.#engine.groupOf(ir.table))
    switch (ir.t) {
      case 'create-table':
        return await this.#createTable(catalog, ir)
      case 'drop-table':
        return await this.#dropTable(catalog, ir)
      case 'create-index':
        return await this.#createIndex(catalog, ir)
      case 'alter-table':
        for (const alteration of ir.alterations) await this.#alter(await this.#fresh(catalog.group), ir.table, alteration)
    }
  }

  async #fresh(group: string): Promise<Catalog> {
    return await this.#host.catalog(group)
  }

  #definition(catalog: Catalog, name: string): TableDefinition {
    const table = catalog.byName.get(name) ?? fail('undefined-table', `There is no table ${name}.`)
    return structuredClone(table.definition)
  }

  async #save(catalog: Catalog, definition: TableDefinition, checks: readonly string[] = [], more: readonly string[] = []): Promise<void> {
    await this.#host.save(catalog, checks, ['K', `t:${definition.id}`, JSON.stringify(definition), ...more])
  }

  async #createTable(catalog: Catalog, ir: Extract<SchemaIr, { t: 'create-table' }>): Promise<void> {
    if (catalog.byName.has(ir.table)) {
      if (ir.ifNotExists) return
      fail('duplicate-object', `Table ${ir.table} exists already.`)
    }
    const names = ir.columns.map((column) => column.name)
    if (new Set(names).size !== names.length) fail('duplicate-object', `A column of ${ir.table} is there twice.`)
    const definition: TableDefinition = {
      id: catalog.nextTable,
      name: ir.table,
      columns: ir.columns.map((column) => columnOf(column, ir.table)),
      indexes: [],
      foreign: [],
      nextIndex: 0,
    }
    const primary = [
      ...ir.columns.filter((column) => column.primaryKey).map((column) => ({ columns: [column.name] })),
      ...ir.constraints.filter((constraint) => constraint.kind === 'primary'),
    ]
    if (primary.length > 1) fail('invalid-query', `Table ${ir.table} has more than one primary key.`)
    if (primary.length === 0) definition.columns.push({ name: rowNumber, kind: 'integer', notNull: true, counted: true, hidden: true })
    addIndex(definition, { columns: primary[0]?.columns ?? [rowNumber], unique: true, primary: true, constraint: true })
    for (const place of definition.indexes[0]?.columns ?? []) (definition.columns[place] as Column).notNull = true
    for (const constraint of [...ir.columns.flatMap(constraintsOf), ...ir.constraints]) this.#constrain(catalog, definition, constraint)
    await this.#save(catalog, definition, [], ['K', 'next', String(definition.id + 1)])
  }

  #constrain(catalog: Catalog, definition: TableDefinition, constraint: ConstraintIr): void {
    if (constraint.kind === 'unique') addIndex(definition, { ...constraint, unique: true, constraint: true })
    if (constraint.kind === 'foreign' && constraint.references) addForeign(catalog, definition, constraint, constraint.references)
  }

  async #dropTable(catalog: Catalog, ir: Extract<SchemaIr, { t: 'drop-table' }>): Promise<void> {
    const table = catalog.byName.get(ir.table)
    if (!table) return ir.ifExists ? undefined : fail('undefined-table', `There is no table ${ir.table}.`)
    const referrer = catalog.referrers.get(table.id)?.find((other) => other.table.id !== table.id)
    if (referrer) fail('foreign-key', `Table ${referrer.table.name} refers to ${ir.table}: drop that first.`)
    const indexes = table.indexes.map((index) => index.id).join(',')
    await this.#host.save(catalog, [], ['K', `t:${table.id}`, '', 'K', `dropping:${table.id}`, indexes])
    await this.#host.purge(catalog.group)
  }

  async #createIndex(catalog: Catalog, ir: Extract<SchemaIr, { t: 'create-index' }>): Promise<void> {
    const definition = this.#definition(catalog, ir.table)
    const existing = [...catalog.byId.values()].flatMap((table) => table.indexes).find((index) => index.name === ir.name)
    const unfinished = definition.indexes.find((index) => index.name === ir.name && index.state === 'building')
    if (existing && !unfinished) {
      if (ir.ifNotExists) return
      fail('duplicate-object', `Index ${ir.name} exists already.`)
    }
    if (unfinished) return await new DirectHost(this.#engine).finish(catalog.group, ir.table, unfinished.id)
    await this.#build(catalog, definition, ir)
  }

  /** Of an empty table an index is ready at once. */
  async #build(catalog: Catalog, definition: TableDefinition, wish: IndexWish): Promise<void> {
    const index = addIndex(definition, wish)
    try {
      return await this.#save(catalog, definition, ['C', String(definition.id), '0'])
    } catch (error) {
      if (!isSerializationFailure(error)) throw error
    }
    const now = await this.#fresh(catalog.group)
    if (now.version !== catalog.version) throw this.#engine.schemaChanged(catalog.group)
    await this.#host.build(now, definition, index)
  }

  async #removeIndex(catalog: Catalog, definition: TableDefinition, id: number): Promise<void> {
    definition.indexes = definition.indexes.filter((index) => index.id !== id)
    await this.#save(catalog, definition, [], ['X', `:i:${definition.id}:${id}`])
  }

  async #dropIndex(ir: Extract<SchemaIr, { t: 'drop-index' }>): Promise<void> {
    for (const group of ir.table === undefined ? this.#engine.groups : [this.#engine.groupOf(ir.table)]) {
      const catalog = await this.#fresh(group)
      for (const table of catalog.byId.values()) {
        const index = table.indexes.find((each) => each.name === ir.name)
        if (!index) continue
        if (index.constraint) fail('invalid-query', `Index ${ir.name} belongs to a constraint: drop that.`)
        return await this.#removeIndex(catalog, structuredClone(table.definition), index.id)
      }
    }
    if (!ir.ifExists) fail('undefined-object', `There is no index ${ir.name}.`)
  }

  async #alter(catalog: Catalog, name: string, alteration: AlterationIr): Promise<void> {
    const definition = this.#definition(catalog, name)
    const column = 'column' in alteration && typeof alteration.column === 'string' ? columnNamed(definition, alteration.column) : undefined
    switch (alteration.kind) {
      case 'add-column':
        return await this.#addColumn(catalog, definition, alteration.column)
      case 'drop-column': {
        const place = definition.columns.indexOf(column as Column)
        if (
          definition.indexes.some((index) => index.columns.includes(place)) ||
          definition.foreign.some((foreign) => foreign.columns.includes(place))
        )
          fail('invalid-query', `Column ${name}.${alteration.column} is part of an index or a reference: drop that first.`)
        ;(column as Column).dropped = true
        delete (column as Column).default
        return await this.#save(catalog, definition)
      }
      case 'rename-column':
        if (definition.columns.some((each) => each.name === alteration.to && !each.dropped))
          fail('duplicate-object', `${name} has a column ${alteration.to}.`)
        ;(column as Column).name = alteration.to
        return await this.#save(catalog, definition)
      case 'set-default':
        ;(column as Column).default = encodeRow([
          fitColumn(alteration.value.value, alteration.value.kind, (column as Column).kind, `${name}.${alteration.column}`),
        ])
        return await this.#save(catalog, definition)
      case 'drop-default':
        delete (column as Column).default
        return await this.#save(catalog, definition)
      case 'drop-not-null':
        ;(column as Column).notNull = false
        return await this.#save(catalog, definition)
      case 'set-not-null': {
        const table = catalog.byId.get(definition.id) ?? fail('undefined-table', `There is no table ${name}.`)
        const checks = await this.#host.checkNoNulls(table, definition.columns.indexOf(column as Column))
        ;(column as Column).notNull = true
        return await this.#save(catalog, definition, checks)
      }
      case 'rename-table':
        if (catalog.byName.has(alteration.to)) fail('duplicate-object', `Table ${alteration.to} exists already.`)
        if (this.#engine.groupOf(alteration.to) !== catalog.group) fail('cross-group', `${alteration.to} is placed in another group.`)
        definition.name = alteration.to
        return await this.#save(catalog, definition)
      case 'add-constraint':
        if (alteration.constraint.kind === 'primary') fail('invalid-query', 'A primary key is given when the table is created.')
        if (alteration.constraint.kind === 'unique')
          return await this.#build(catalog, definition, { ...alteration.constraint, unique: true, constraint: true })
        this.#constrain(catalog, definition, alteration.constraint)
        return await this.#save(catalog, definition, ['C', String(definition.id), '0']).catch((error: unknown) => {
          if (!isSerializationFailure(error)) throw error
          fail('invalid-query', 'A reference can be added to an empty table only.')
        })
      case 'drop-constraint': {
        const index = definition.indexes.find((each) => each.name === alteration.name && each.constraint && !each.primary)
        if (index) return await this.#removeIndex(catalog, definition, index.id)
        const foreign =
          definition.foreign.find((each) => each.name === alteration.name) ??
          fail('undefined-object', `${name} has no constraint ${alteration.name}.`)
        definition.foreign = definition.foreign.filter((each) => each !== foreign)
        return await this.#save(catalog, definition)
      }
    }
  }

  async #addColumn(catalog: Catalog, definition: TableDefinition, ir: ColumnIr): Promise<void> {
    if (definition.columns.some((column) => column.name === ir.name && !column.dropped))
      fail('duplicate-object', `${definition.name} has a column ${ir.name}.`)
    if (ir.primaryKey || ir.counted) fail('invalid-query', 'A key is given when the table is created.')
    const column = columnOf(ir, definition.name)
    const needsEmpty = (column.notNull && column.default === undefined) || ir.references !== undefined || ir.unique
    definition.columns.push({ ...column, ...(column.default === undefined ? {} : { missing: column.default }) })
    for (const constraint of constraintsOf(ir)) this.#constrain(catalog, definition, constraint)
    await this.#save(catalog, definition, needsEmpty ? ['C', String(definition.id), '0'] : []).catch((error: unknown) => {
      if (!needsEmpty || !isSerializationFailure(error)) throw error
      fail(
        'not-null',
        `A column that must not be null, is unique or refers to a table can be added to an empty table only (${definition.name}.${ir.name}).`,
      )
    })
  }
}

interface IndexWish {
  readonly name?: string
  readonly columns: readonly string[]
  readonly unique: boolean
  readonly primary?: boolean
  readonly constraint?: boolean
}

const columnNamed = (definition: TableDefinition, name: string): Column =>
  definition.columns.find((column) => column.name === name && !column.dropped) ??
  fail('undefined-column', `Table ${definition.name} has no column ${name}.`)

const placesOf = (definition: TableDefinition, names: readonly string[]): number[] =>
  names.map((name) => definition.columns.indexOf(columnNamed(definition, name)))

function columnOf(ir: ColumnIr, table: string): Column {
  if (ir.counted && ir.kind !== 'integer') fail('invalid-query', `${table}.${ir.name} counts, so it must be an integer.`)
  const value: Value | undefined = ir.default && fitColumn(ir.default.value, ir.default.kind, ir.kind, `${table}.${ir.name}`)
  return {
    name: ir.name,
    kind: ir.kind,
    notNull: ir.notNull || ir.primaryKey,
    counted: ir.counted,
    ...(value === undefined ? {} : { default: encodeRow([value]) }),
  }
}

function constraintsOf(column: ColumnIr): ConstraintIr[] {
  const list: ConstraintIr[] = []
  if (column.unique) list.push({ kind: 'unique', columns: [column.name] })
  if (column.references) list.push({ kind: 'foreign', columns: [column.name], references: column.references })
  return list
}

function addIndex(definition: TableDefinition, wish: IndexWish): Index {
  const suffix = wish.primary ? 'pkey' : wish.unique ? 'key' : 'index'
  const index: Index = {
    id: definition.nextIndex++,
    name: wish.name ?? [definition.name, ...(wish.primary ? [] : wish.columns), suffix].join('_'),
    columns: placesOf(definition, wish.columns),
    unique: wish.unique,
    primary: wish.primary ?? false,
    state: 'ready',
    ...(wish.constraint ? { constraint: true } : {}),
  }
  definition.indexes.push(index)
  return index
}

/** A reference needs a unique key on the other side, and an index on this side, which is made when there is none. */
function addForeign(catalog: Catalog, definition: TableDefinition, constraint: ConstraintIr, references: ReferenceIr): void {
  const parent = references.table === definition.name ? definition : catalog.byName.get(references.table)?.definition
  if (!parent) return fail('undefined-table', `${definition.name} refers to ${references.table}, which does not exist in the same group.`)
  const columns = placesOf(definition, constraint.columns)
  const targets = placesOf(parent, references.columns)
  const key = parent.indexes.find(
    (index) => index.unique && index.columns.length === targets.length && index.columns.every((place, at) => targets[at] === place),
  )
  if (!key) fail('invalid-query', `${references.table} has no unique key of exactly the columns that ${definition.name} refers to.`)
  const kindOf = (table: TableDefinition, place: number | undefined): Kind | undefined => table.columns[place ?? -1]?.kind
  if (columns.length !== targets.length || columns.some((place, at) => kindOf(definition, place) !== kindOf(parent, targets[at])))
    fail('type-mismatch', `${definition.name} refers to ${references.table} by columns of other kinds.`)
  const foreign: Foreign = {
    name: constraint.name ?? [definition.name, ...constraint.columns, 'fkey'].join('_'),
    columns,
    table: parent.id,
    references: targets,
    onDelete: references.onDelete,
  }
  definition.foreign.push(foreign)
  const indexed = definition.indexes.some((index) => columns.every((place, at) => index.columns[at] === place))
  if (!indexed) addIndex(definition, { name: `${foreign.name}_index`, columns: constraint.columns, unique: false, constraint: true })
}
