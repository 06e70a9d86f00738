import fc, { type GeneratorValue } from 'fast-check'
import {
  sql,
  type Expression,
  type ExpressionBuilder,
  type Kysely,
  type RootOperationNode,
  type SelectQueryBuilder,
  type SqlBool,
} from 'kysely'

/* oxlint-disable typescript/no-explicit-any -- tables are made up at run time, so no type of them exists */
export type AnyDb = Kysely<any>
type Eb = ExpressionBuilder<any, any>
type Select = SelectQueryBuilder<any, any, any>
/* oxlint-enable typescript/no-explicit-any */

type Kind = 'integer' | 'real' | 'text'
interface ColumnPlan {
  readonly name: string
  readonly kind: Kind
  readonly notNull: boolean
}
export interface TablePlan {
  readonly name: string
  readonly columns: readonly ColumnPlan[]
  readonly unique: readonly string[] | undefined
  readonly indexes: readonly (readonly string[])[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

const texts = ['', 'a', 'A', 'ab', 'b%', 'zz', 'é', 'Z_', '\u{1F426}', '\uFFFD', '~', "o'k"]

/** Makes random schemas, data and queries from the accepted grammar, always of matching kinds. Few values, so that there are many ties. */
export class RandomDatabase {
  readonly #g: GeneratorValue
  readonly tables: readonly TablePlan[]

  constructor(g: GeneratorValue) {
    this.#g = g
    this.tables = Array.from({ length: this.#int(2, 3) }, (_, index) => this.#table(`t${index}`))
  }

  #int(min: number, max: number): number {
    return this.#g(fc.integer, { min, max })
  }
  #flip(oneIn = 2): boolean {
    return this.#int(1, oneIn) === 1
  }
  #pick<T>(items: readonly T[]): T {
    return items[this.#int(0, items.length - 1)] as T
  }
  #some<T>(items: readonly T[], least: number, most: number): T[] {
    return this.#g(
      fc.shuffledSubarray,
      [...items] as never,
      { minLength: Math.min(least, items.length), maxLength: Math.min(most, items.length) } as never,
    ) as T[]
  }

  #table(name: string): TablePlan {
    const columns: ColumnPlan[] = [{ name: 'id', kind: 'integer', notNull: true }]
    for (let index = 0; index < this.#int(2, 4); index++)
      columns.push({ name: `c${index}`, kind: this.#pick(['integer', 'real', 'text']), notNull: this.#flip(4) })
    const names = columns.map((column) => column.name)
    const unique = this.#flip(3) ? this.#some(names.slice(1), 1, 2) : undefined
    const indexes = Array.from({ length: this.#int(0, 2) }, () => this.#some(names, 1, 3))
    const seen = new Set<string>()
    const rows = Array.from({ length: this.#int(0, 14) }, (_, id) => this.row(columns, id)).filter((row) => {
      const values = unique?.map((column) => row[column])
      if (!values || values.includes(null)) return true
      const key = JSON.stringify(values)
      return seen.has(key) ? false : seen.add(key)
    })
    return { name, columns, unique, indexes, rows }
  }

  row(columns: readonly ColumnPlan[], id: number): Record<string, unknown> {
    return Object.fromEntries(columns.map((column) => [column.name, column.name === 'id' ? id : this.#stored(column)]))
  }
  #stored(column: ColumnPlan): unknown {
    return !column.notNull && this.#flip(4) ? null : this.value(column.kind)
  }
  value(kind: Kind): unknown {
    if (kind === 'text') return this.#pick(texts)
    if (kind === 'real') return this.#int(-6, 6) / 4
    return this.#flip(8) ? this.#pick([2 ** 40, -(2 ** 40), 2 ** 31]) : this.#int(-3, 6)
  }

  async create(db: AnyDb, realType: 'real' | 'double precision'): Promise<void> {
    for (const table of this.tables) {
      let builder = db.schema.createTable(table.name)
      for (const column of table.columns)
        builder = builder.addColumn(column.name, column.kind === 'real' ? realType : column.kind, (c) => {
          const made = column.notNull ? c.notNull() : c
          return column.name === 'id' ? made.primaryKey() : made
        })
      if (table.unique) builder = builder.addUniqueConstraint(`${table.name}_u`, [...table.unique] as never)
      await builder.execute()
      for (const [index, columns] of table.indexes.entries())
        await db.schema
          .createIndex(`${table.name}_i${index}`)
          .on(table.name)
          .columns([...columns])
          .execute()
      if (table.rows.length > 0)
        await db
          .insertInto(table.name)
          .values([...table.rows])
          .execute()
    }
  }

  #columnsOf(table: TablePlan, kind: Kind): ColumnPlan[] {
    return table.columns.filter((column) => column.kind === kind)
  }

  /** An expression of a kind over some tables, each under its alias. */
  #expr(eb: Eb, scope: readonly (readonly [TablePlan, string])[], kind: Kind, depth: number): Expression<unknown> {
    const [table, alias] = this.#pick(scope)
    const columns = this.#columnsOf(table, kind)
    const column = (): Expression<unknown> => eb.ref(`${alias}.${this.#pick(columns).name}`)
    if (depth <= 0 || this.#flip()) return columns.length > 0 && !this.#flip(4) ? column() : eb.val(this.value(kind))
    const inner = (): Expression<unknown> => this.#expr(eb, scope, kind, depth - 1)
    const choice = this.#int(0, 3)
    if (choice === 0) return eb.fn.coalesce(inner() as never, eb.val(this.value(kind)))
    if (choice === 1)
      return eb
        .case()
        .when(this.#condition(eb, scope, depth - 1))
        .then(inner())
        .else(inner())
        .end()
    if (kind === 'text')
      return choice === 2 ? eb.fn(this.#pick(['lower', 'upper']), [inner() as never]) : eb.parens(inner() as never, '||', inner() as never)
    return eb.parens(
      inner() as never,
      this.#pick(['+', '-', '*']),
      eb.val(kind === 'real' ? this.#int(-2, 2) / 2 : this.#int(-2, 2)) as never,
    )
  }

  #condition(eb: Eb, scope: readonly (readonly [TablePlan, string])[], depth: number): Expression<SqlBool> {
    const kind = this.#pick<Kind>(['integer', 'integer', 'real', 'text'])
    const left = this.#expr(eb, scope, kind, depth > 0 && this.#flip(3) ? 1 : 0) as never
    if (depth > 0) {
      const inner = (): Expression<SqlBool> => this.#condition(eb, scope, depth - 1)
      switch (this.#int(0, 9)) {
        case 0:
        case 1:
          return eb.and([inner(), inner()])
        case 2:
          return eb.or([inner(), inner()])
        case 3:
          return eb.not(inner())
        case 4:
          return this.#subCondition(eb, scope, depth)
      }
    }
    switch (this.#int(0, 7)) {
      case 0:
        return eb(left, this.#pick(['is', 'is not']), null as never)
      case 1:
        return eb(left, this.#pick(['in', 'not in']), [this.value(kind), this.value(kind), ...(this.#flip(5) ? [null] : [])] as never)
      case 2:
        return eb.between(left, this.value(kind) as never, this.value(kind) as never)
      case 3:
        if (kind === 'text')
          return eb(left, this.#pick(['like', 'not like']), this.#pick(['a%', '%b', '_', '%', 'A_', '', 'é%', 'zz']) as never)
        return eb(left, this.#pick(['is distinct from', 'is not distinct from']), this.value(kind) as never)
      default:
        return eb(
          left,
          this.#pick(['=', '=', '!=', '<', '<=', '>', '>=']),
          (this.#flip() ? this.value(kind) : this.#expr(eb, scope, kind, 0)) as never,
        )
    }
  }

  #subCondition(eb: Eb, scope: readonly (readonly [TablePlan, string])[], depth: number): Expression<SqlBool> {
    const table = this.#pick(this.tables)
    const alias = `s${depth}`
    const outer = this.#pick(scope)
    const kind: Kind = 'integer'
    const inside = [[table, alias]] as const
    let query: Select = (eb as never as AnyDb).selectFrom(`${table.name} as ${alias}`)
    if (this.#flip())
      query = query.whereRef(
        `${alias}.${this.#pick(this.#columnsOf(table, kind)).name}`,
        '=',
        `${outer[1]}.${this.#pick(this.#columnsOf(outer[0], kind)).name}`,
      )
    if (this.#flip()) query = query.where((inner: Eb) => this.#condition(inner, inside, 0))
    const column = `${alias}.${this.#pick(this.#columnsOf(table, kind)).name}`
    switch (this.#int(0, 2)) {
      case 0:
        return this.#flip() ? eb.exists(query.select(column)) : eb.not(eb.exists(query.select(column)))
      case 1:
        return eb(this.#expr(eb, scope, kind, 0) as never, this.#pick(['in', 'not in']), query.select(column) as never)
      default:
        return eb(
          this.#expr(eb, scope, kind, 0) as never,
          this.#pick(['=', '<', '>=']),
          query.select(({ fn }: Eb) => (this.#flip() ? fn.min(column) : this.#flip() ? fn.max(column) : fn.count(column)).as('v')) as never,
        )
    }
  }

  /** A query, to be built once and run on each engine. `ordered` says that its rows have one order only. */
  select(): { readonly build: (db: AnyDb) => Select; readonly ordered: boolean } {
    switch (this.#int(0, 9)) {
      case 0:
      case 1:
        return this.#grouped()
      case 2:
        return this.#united()
      case 3:
        return this.#flip() ? this.#paged() : this.#merged()
      default:
        return this.#plain()
    }
  }

  #plain(): ReturnType<RandomDatabase['select']> {
    const many = this.#flip()
    const limited = this.#flip()
    const distinct = !limited && this.#flip(4)
    return {
      ordered: limited,
      build: (db) => {
        const scope: [TablePlan, string][] = [[this.#pick(this.tables), 'a']]
        let query: Select = db.selectFrom(`${scope[0]?.[0].name} as a`)
        if (many)
          for (const alias of this.#flip(3) ? ['b', 'c'] : ['b']) {
            const table = this.#pick(this.tables)
            const [other, otherAlias] = this.#pick(scope)
            const left = `${alias}.${this.#pick(this.#columnsOf(table, 'integer')).name}`
            const right = `${otherAlias}.${this.#pick(this.#columnsOf(other, 'integer')).name}`
            const more = this.#flip(3)
            const on = (join: never): never => {
              const made = (join as { onRef: (...args: string[]) => { on: (f: (eb: Eb) => unknown) => unknown } }).onRef(left, '=', right)
              return (more ? made.on((eb) => this.#condition(eb, [[table, alias]], 0)) : made) as never
            }
            query = this.#flip()
              ? query.innerJoin(`${table.name} as ${alias}`, on as never)
              : query.leftJoin(`${table.name} as ${alias}`, on as never)
            scope.push([table, alias])
          }
        if (!this.#flip(4)) query = query.where((eb: Eb) => this.#condition(eb, scope, 2))
        if (distinct)
          return query.distinct().select((eb: Eb) => [sql`${this.#expr(eb, scope, this.#pick(['integer', 'real', 'text']), 1)}`.as('v')])
        for (const [table, alias] of scope)
          query = query.select(table.columns.map((column) => `${alias}.${column.name} as ${alias}_${column.name}`))
        if (this.#flip(3))
          query = query.select((eb: Eb) => sql`${this.#expr(eb, scope, this.#pick(['integer', 'real', 'text']), 2)}`.as('e'))
        if (!limited) return query
        return this.#ordered(query, scope, this.#int(0, 2))
      },
    }
  }

  #ordered(query: Select, scope: readonly (readonly [TablePlan, string])[], keys: number): Select {
    let made = query
    const same = this.#flip() ? this.#pick(['asc', 'desc'] as const) : undefined
    for (let key = 0; key < keys; key++) {
      const [table, alias] = this.#pick(scope)
      const direction = same ?? this.#pick(['asc', 'desc'] as const)
      const nulls = this.#int(0, 5)
      made = made.orderBy(`${alias}.${this.#pick(table.columns).name}`, (order) => {
        const directed = direction === 'asc' ? order.asc() : order.desc()
        return nulls === 0 ? directed.nullsFirst() : nulls === 1 ? directed.nullsLast() : directed
      })
    }
    for (const [, alias] of scope) made = made.orderBy(`${alias}.id`, same ?? 'asc')
    made = made.limit(this.#int(0, 6))
    return this.#flip(3) ? made.offset(this.#int(0, 4)) : made
  }

  /** A keyset page: `a > x or (a = x and id > y)`, which the planner turns into one stretch of an index. */
  #paged(): ReturnType<RandomDatabase['select']> {
    return {
      ordered: true,
      build: (db) => {
        const table = this.#pick(this.tables)
        const column = this.#pick(table.columns.filter((each) => each.name !== 'id'))
        const [value, id] = [this.value(column.kind), this.#int(0, 12)]
        const descending = this.#flip()
        return db
          .selectFrom(table.name)
          .selectAll()
          .where((eb: Eb) => {
            const beyond = descending ? eb.or([eb(column.name, '<', value), eb(column.name, 'is', null)]) : eb(column.name, '>', value)
            return eb.or([beyond, eb.and([eb(column.name, '=', value), eb('id', descending ? '<' : '>', id)])])
          })
          .orderBy(column.name, descending ? 'desc' : 'asc')
          .orderBy('id', descending ? 'desc' : 'asc')
          .limit(this.#int(1, 5))
      },
    }
  }

  /** `a in (…) order by b limit n`: several stretches of an index in one order. */
  #merged(): ReturnType<RandomDatabase['select']> {
    return {
      ordered: true,
      build: (db) => {
        const table = this.#pick(this.tables)
        const index = table.indexes.find((columns) => columns.length > 1) ?? [this.#pick(table.columns).name, 'id']
        const [first, ...rest] = index.map((name) => table.columns.find((column) => column.name === name) as ColumnPlan)
        const { name, kind } = first as ColumnPlan
        const direction = this.#pick(['asc', 'desc'] as const)
        let query: Select = db.selectFrom(table.name).where(name, 'in', [this.value(kind), this.value(kind), this.value(kind)])
        if (this.#flip()) query = query.where((eb: Eb) => this.#condition(eb, [[table, table.name]], 0))
        query = this.#flip() ? query.selectAll() : query.select([...index])
        for (const column of rest) query = query.orderBy(column.name, direction)
        return query.orderBy('id', direction).limit(this.#int(1, 5))
      },
    }
  }

  #grouped(): ReturnType<RandomDatabase['select']> {
    return {
      ordered: false,
      build: (db) => {
        const table = this.#pick(this.tables)
        const scope = [[table, 'a']] as const
        const by = this.#some(table.columns, 0, 2)
        let query: Select = db.selectFrom(`${table.name} as a`)
        if (this.#flip()) query = query.where((eb: Eb) => this.#condition(eb, scope, 1))
        for (const column of by) query = query.groupBy(`a.${column.name}`).select(`a.${column.name}`)
        const numbers = table.columns.filter((column) => column.kind !== 'text')
        query = query.select((eb: Eb) => [
          eb.fn.countAll().as('n'),
          eb.fn.count(`a.${this.#pick(table.columns).name}`).as('c'),
          eb.fn
            .count(`a.${this.#pick(table.columns).name}`)
            .distinct()
            .as('d'),
          eb.fn.sum(`a.${this.#pick(numbers).name}`).as('s'),
          eb.fn.min(`a.${this.#pick(table.columns).name}`).as('lo'),
          eb.fn.max(`a.${this.#pick(table.columns).name}`).as('hi'),
          eb.fn.avg(`a.${this.#pick(numbers).name}`).as('m'),
        ])
        return this.#flip(3) ? query.having((eb: Eb) => eb(eb.fn.countAll(), '>', this.#int(0, 2) as never)) : query
      },
    }
  }

  #united(): ReturnType<RandomDatabase['select']> {
    return {
      ordered: false,
      build: (db) => {
        const part = (): Select => {
          const table = this.#pick(this.tables)
          return db
            .selectFrom(`${table.name} as a`)
            .where((eb: Eb) => this.#condition(eb, [[table, 'a']], 1))
            .select([`a.id as x`, sql.ref(`a.${this.#pick(this.#columnsOf(table, 'integer')).name}`).as('y')])
        }
        const first = part()
        const second = part()
        switch (this.#int(0, 3)) {
          case 0:
            return first.union(second as never)
          case 1:
            return first.unionAll(second as never)
          case 2:
            return first.intersect(second as never)
          default:
            return first.except(second as never)
        }
      },
    }
  }

  /** One row by its key, and values that are given: what the server may do alone. */
  #byKey(db: AnyDb, table: TablePlan, deletes: boolean): Built {
    const [column, other] = [this.#pick(table.columns), this.#pick(table.columns)]
    const id = this.#int(0, 14)
    const value = this.#stored(other)
    const also = (eb: Eb): Expression<SqlBool> =>
      eb.and([eb('id', '=', id), ...(this.#flip() ? [eb(other.name, value === null ? 'is' : '=', value as never)] : [])])
    if (deletes) return db.deleteFrom(table.name).where(also).returningAll()
    const query = db.updateTable(table.name).set({ [column.name]: column.name === 'id' ? id : this.#stored(column) } as never).where(also) // prettier-ignore
    return this.#flip() ? query.returningAll() : query
  }

  /** A change: what it returns and how many rows it touches must be the same everywhere. */
  write(db: AnyDb): Built {
    const table = this.#pick(this.tables)
    const own = [[table, table.name]] as const
    const free = table.columns.filter((column) => column.name !== 'id' && !table.unique?.includes(column.name))
    const where = (eb: Eb): Expression<SqlBool> => this.#condition(eb, own, 1)
    const choice = this.#int(0, 5)
    if (choice > 3) return this.#byKey(db, table, choice === 4)
    if (choice === 0) return db.deleteFrom(table.name).where(where).returningAll()
    const column = free.length > 0 ? this.#pick(free) : undefined
    if (choice === 1 && column) {
      const set = (eb: Eb): Record<string, unknown> => ({
        [column.name]: column.notNull ? this.value(column.kind) : this.#expr(eb, own, column.kind, 1),
      })
      return db
        .updateTable(table.name)
        .set(set as never)
        .where(where)
        .returningAll()
    }
    const ids = new Set([this.#int(0, 20), this.#int(0, 20)])
    const insert = db.insertInto(table.name).values([...ids].map((id) => this.row(table.columns, id)))
    if (choice === 2 || !column) return insert.onConflict((conflict) => conflict.doNothing())
    const set = (eb: Eb): never => ({ [column.name]: eb.ref(`excluded.${column.name}`) }) as never
    return insert.onConflict((conflict) => conflict.column('id').doUpdateSet(set)).returningAll()
  }
}

/** What a query builder is to us. */
export interface Built {
  toOperationNode(): RootOperationNode
}
