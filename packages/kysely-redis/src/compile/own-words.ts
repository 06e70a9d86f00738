import {
  AliasNode,
  IdentifierNode,
  type AliasableExpression,
  type AliasedExpression,
  type CompiledQuery,
  type OperationNode,
  type RawNode,
} from 'kysely'
import type { AboutTablesIr, FenceIr, Literal } from './ir.ts'
import type { TableDescription } from '../catalog/describe.ts'
import { parameter } from './parameters.ts'

/**
 * What Kysely has no node for: raw nodes that only this package makes, known by a property beside their text. Raw text itself is never run.
 */
interface OwnNode extends RawNode {
  readonly own: FenceIr | AboutTablesIr | OwnRows
}
interface OwnRows {
  readonly t: 'rows'
  readonly columns: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

const ownNode = (words: string, own: OwnNode['own']): OwnNode => ({
  kind: 'RawNode',
  sqlFragments: [`/* kysely-redis: ${words} */`],
  parameters: [],
  own,
})

export function ownWords(node: OperationNode): OwnNode['own'] | undefined {
  return node.kind === 'RawNode' ? (node as Partial<OwnNode>).own : undefined
}

export const ownStatement = (own: FenceIr | AboutTablesIr): CompiledQuery => ({
  query: ownNode(own.t, own),
  queryId: { queryId: own.t },
  sql: own.t,
  parameters: [],
})

/** Whether a table is there, in a transaction also one that it has made: `(await db.executeQuery(tableExists('t'))).rows.length > 0`. */
export const tableExists = (table: string): CompiledQuery => ownStatement({ t: 'table-exists', table })

/** All tables, as rows of `TableDescription`. */
export const describeTables: CompiledQuery<TableDescription> = ownStatement({ t: 'describe-tables' })

/**
 * For who fills a whole database in one transaction: references are not checked with each statement but by `checkReferences`, which
 * comes before the commit, and limits of size are off.
 */
export const deferReferences: CompiledQuery = ownStatement({ t: 'defer-references' })
export const checkReferences: CompiledQuery = ownStatement({ t: 'check-references' })

/** The next id that the table gives is larger than `last`. In a transaction, with its commit. */
export const raiseCounter = (table: string, last: number): CompiledQuery => ownStatement({ t: 'raise-counter', table, last })

/**
 * Rows of the caller's own as a source: `db.updateTable('t').from(rowsAs('new', ['id', 'size'], [[1, 5], [2, 6]])).set(…)`, or in the
 * `from` and the joins of a select.
 */
export function rowsAs<A extends string, R = Record<string, unknown>>(
  alias: A,
  columns: readonly (keyof R & string)[],
  rows: readonly (readonly unknown[])[],
): AliasedExpression<R, A> {
  const node = ownNode('rows', { t: 'rows', columns, rows })
  const expression: AliasableExpression<R> = {
    expressionType: undefined,
    isSelectQueryBuilder: undefined as never,
    toOperationNode: () => node,
    as: () => aliased,
  } as unknown as AliasableExpression<R>
  const aliased: AliasedExpression<R, A> = {
    expression,
    alias,
    toOperationNode: () => AliasNode.create(node, IdentifierNode.create(alias)),
  }
  return aliased
}

export const literalRows = (own: OwnRows): readonly (readonly Literal[])[] =>
  own.rows.map((row) => row.map((value): Literal => ({ t: 'lit', ...parameter(value) })))
