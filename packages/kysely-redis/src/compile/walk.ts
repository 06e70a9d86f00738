import type {
  AliasNode,
  ColumnNode,
  IdentifierNode,
  OperationNode,
  OperationNodeKind,
  RawNode,
  ReferenceNode,
  SchemableIdentifierNode,
  TableNode,
} from 'kysely'
import { UnsupportedNode } from '../errors.ts'

/** A node of any kind, as unknown properties: what we don't name is never skipped. */
export type AnyNode = OperationNode & Readonly<Record<string, unknown>>

export const unsupported = (node: OperationNode, path: string, why: string): never => {
  throw new UnsupportedNode(node.kind, path, why)
}

/** Refuses every property that is set and not named: a clause we don't know is never ignored, in newer versions of Kysely too. */
export function only(node: OperationNode, path: string, known: readonly string[]): void {
  for (const property in node) {
    const value = (node as AnyNode)[property]
    const empty = value === undefined || value === false || (Array.isArray(value) && value.length === 0)
    if (property !== 'kind' && !empty && !known.includes(property))
      throw new UnsupportedNode(node.kind, `${path}.${property}`, `\`${property}\` is not supported`)
  }
}

export function expectKind<T extends OperationNode>(node: OperationNode, kind: T['kind'] & OperationNodeKind, path: string): T {
  return node.kind === kind ? (node as T) : unsupported(node, path, `${kind} expected here`)
}

export const identifier = (node: OperationNode, path: string): string => expectKind<IdentifierNode>(node, 'IdentifierNode', path).name

export function tableName(node: OperationNode, path: string): string {
  const table = expectKind<TableNode>(node, 'TableNode', path)
  only(table, path, ['table'])
  return schemable(table.table, `${path}.table`)
}

export function schemable(node: SchemableIdentifierNode, path: string): string {
  if (node.schema) unsupported(node, `${path}.schema`, 'there are no schemas')
  only(node, path, ['identifier'])
  return node.identifier.name
}

export function columnName(node: OperationNode, path: string): string {
  if (node.kind === 'ReferenceNode') {
    const reference = node as ReferenceNode
    if (reference.table) unsupported(node, path, 'a plain column name expected here')
    return columnName(reference.column, `${path}.column`)
  }
  const column = expectKind<ColumnNode>(node, 'ColumnNode', path)
  only(column, path, ['column'])
  return column.column.name
}

/** A node and the name it goes by. */
export function aliased(node: OperationNode, path: string): { inner: OperationNode; path: string; alias?: string } {
  if (node.kind !== 'AliasNode') return { inner: node, path }
  const alias = node as AliasNode
  only(alias, path, ['node', 'alias'])
  return { inner: alias.node, path: `${path}.node`, alias: identifier(alias.alias, `${path}.alias`) }
}

/** `sql.ref(…)`, `sql.lit(…)` and the like wrap one node in raw text that is empty: then it is that node. */
export function unwrap(node: OperationNode): OperationNode {
  let inner = node
  while (inner.kind === 'RawNode' && isWrapper(inner as RawNode)) inner = (inner as RawNode).parameters[0] as OperationNode
  return inner
}

const isWrapper = (raw: RawNode): boolean => raw.parameters.length === 1 && raw.sqlFragments.every((fragment) => fragment === '')

/** The text of raw SQL without parameters, in lower case; undefined for other nodes. */
export function rawWord(node: OperationNode): string | undefined {
  if (node.kind !== 'RawNode') return undefined
  const raw = node as RawNode
  return raw.parameters.length === 0 ? raw.sqlFragments.join('').trim().toLowerCase() : undefined
}
