import type { GeneratorValue } from 'fast-check'
import {
  DummyDriver,
  Kysely,
  OperationNodeTransformer,
  OrderByItemNode,
  RawNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  ValueListNode,
  ValueNode,
  type PrimitiveValueListNode,
  type RootOperationNode,
} from 'kysely'
import { RandomDatabase, type TablePlan } from 'kysely-redis/testing'

/** One comparison between engines: plain data, so that a case that failed is kept as a file and can be made smaller. */
export interface DifferentialCase {
  readonly tables: readonly TablePlan[]
  /** All statements in one transaction, or each for itself. */
  readonly together: boolean
  readonly statements: readonly { readonly node: RootOperationNode; readonly ordered: boolean }[]
}

export const statementsPerCase = 8

/* oxlint-disable-next-line typescript/no-explicit-any -- tables are made up at run time */
const paper = new Kysely<any>({
  dialect: {
    createDriver: () => new DummyDriver(),
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  },
})

export function makeCase(g: GeneratorValue, together: boolean): DifferentialCase {
  const random = new RandomDatabase(g)
  const statements = Array.from({ length: statementsPerCase }, (_, index) => {
    const query = index % 3 === 1 ? undefined : random.select()
    return { node: (query ? query.build(paper) : random.write(paper)).toOperationNode(), ordered: query?.ordered ?? false }
  })
  return JSON.parse(JSON.stringify({ tables: random.tables, together, statements })) as DifferentialCase
}

/** For people. */
export function textOf(node: RootOperationNode): string {
  const { sql, parameters } = paper.getExecutor().compileQuery(node, { queryId: 'differential' })
  return `${sql}\n  ${JSON.stringify(parameters)}`
}

/**
 * What our callers say themselves on PostgreSQL, and other engines don't need: of which type a value is that stands alone, and where nulls
 * stand in an order.
 */
class ForPostgres extends OperationNodeTransformer {
  protected override transformValue(node: ValueNode): ValueNode {
    const { value, immediate } = node
    if (immediate || value === null) return node
    const type = typeof value === 'string' ? 'text) collate "C")' : Number.isInteger(value) ? 'bigint))' : 'double precision))'
    return RawNode.create(['(cast(', ` as ${type}`], [node]) as never
  }

  protected override transformPrimitiveValueList(node: PrimitiveValueListNode): PrimitiveValueListNode {
    return ValueListNode.create(node.values.map((value) => this.transformValue(ValueNode.create(value)))) as never
  }

  protected override transformOrderByItem(node: OrderByItemNode): OrderByItemNode {
    const made = super.transformOrderByItem(node)
    if (made.nulls !== undefined) return made
    const direction = made.direction as RawNode | undefined
    return OrderByItemNode.cloneWith(made, { nulls: direction?.sqlFragments?.[0] === 'desc' ? 'last' : 'first' })
  }
}

const forPostgres = new ForPostgres()
export const onPostgres = (node: RootOperationNode): RootOperationNode => forPostgres.transformNode(node)
