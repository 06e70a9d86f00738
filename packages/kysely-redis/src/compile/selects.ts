import type {
  CommonTableExpressionNode,
  JoinNode,
  OperationNode,
  OrderByItemNode,
  ReferenceNode,
  SelectionNode,
  SelectModifierNode,
  SelectQueryNode,
  SetOperationNode,
  WithNode,
} from 'kysely'
import { compileExpression } from './expressions.ts'
import type { CteIr, Expr, OrderIr, SelectIr, SelectionIr, SetOperationIr, SourceIr } from './ir.ts'
import { literalRows, ownWords } from './own-words.ts'
import { aliased, columnName, only, rawWord, tableName, unsupported, unwrap } from './walk.ts'

/** The words by which a statement says that it means to read a whole table; see `allowScan`. */
export const allowScanWords = '/* kysely-redis: scan */'

export const expression = (node: OperationNode, path: string): Expr => compileExpression(node, path, compileSelect)

export function compileSelect(node: SelectQueryNode, path: string): SelectIr {
  only(node, path, [
    'from',
    'selections',
    'joins',
    'groupBy',
    'orderBy',
    'where',
    'frontModifiers',
    'endModifiers',
    'limit',
    'offset',
    'with',
    'having',
    'explain',
    'setOperations',
  ])
  const froms = node.from?.froms ?? []
  if (froms.length > 1) unsupported(froms[1] as OperationNode, `${path}.from.froms[1]`, 'tables are joined with inner or left join only')
  const end = endModifiers(node.endModifiers ?? [], `${path}.endModifiers`)
  return {
    t: 'select',
    ...(froms[0] ? { from: source(froms[0], `${path}.from.froms[0]`) } : {}),
    joins: (node.joins ?? []).map((join, index) => compileJoin(join, `${path}.joins[${index}]`)),
    ...(node.where ? { where: expression(node.where.where, `${path}.where.where`) } : {}),
    groupBy: (node.groupBy?.items ?? []).map((item, index) => {
      only(item, `${path}.groupBy.items[${index}]`, ['groupBy'])
      return expression(item.groupBy, `${path}.groupBy.items[${index}].groupBy`)
    }),
    ...(node.having ? { having: expression(node.having.having, `${path}.having.having`) } : {}),
    selections: selections(node.selections ?? [], `${path}.selections`),
    distinct: isDistinct(node.frontModifiers ?? [], `${path}.frontModifiers`),
    orderBy: (node.orderBy?.items ?? []).map((item, index) => compileOrder(item, `${path}.orderBy.items[${index}]`)),
    ...(node.limit ? { limit: expression(node.limit.limit, `${path}.limit.limit`) } : {}),
    ...(node.offset ? { offset: expression(node.offset.offset, `${path}.offset.offset`) } : {}),
    ctes: compileWith(node.with, `${path}.with`),
    setOperations: (node.setOperations ?? []).map((operation, index) => compileSetOperation(operation, `${path}.setOperations[${index}]`)),
    explain: explains(node.explain, `${path}.explain`),
    ...end,
  }
}

export function explains(node: OperationNode | undefined, path: string): boolean {
  if (!node) return false
  only(node, path, ['format'])
  return true
}

function isDistinct(modifiers: readonly SelectModifierNode[], path: string): boolean {
  for (const [index, modifier] of modifiers.entries()) {
    only(modifier, `${path}[${index}]`, ['modifier'])
    if (modifier.modifier !== 'Distinct') unsupported(modifier, `${path}[${index}]`, `${modifier.modifier} is not supported`)
  }
  return modifiers.length > 0
}

/** `for update` adds little: what a transaction reads is validated anyway when it commits. Only that rows are read whole. */
export function endModifiers(modifiers: readonly OperationNode[], path: string): { allowScan: boolean; forUpdate: boolean } {
  let allowScan = false
  let forUpdate = false
  for (const [index, node] of modifiers.entries()) {
    const at = `${path}[${index}]`
    const modifier = node.kind === 'SelectModifierNode' ? (node as SelectModifierNode) : undefined
    const raw = unwrap(modifier?.rawModifier ?? node)
    if (rawWord(raw) === allowScanWords) allowScan = true
    else if (modifier?.modifier === 'ForUpdate' || modifier?.modifier === 'ForNoKeyUpdate') {
      only(modifier, at, ['modifier'])
      forUpdate = true
    } else unsupported(node, at, modifier?.modifier ? `${modifier.modifier} is not supported` : 'raw SQL can not be run')
  }
  return { allowScan, forUpdate }
}

export function source(node: OperationNode, path: string): SourceIr {
  const { inner: wrapped, path: at, alias } = aliased(node, path)
  const inner = unwrap(wrapped)
  if (inner.kind === 'TableNode') {
    const name = tableName(inner, at)
    return { kind: 'table', name, alias: alias ?? name }
  }
  if (inner.kind === 'SelectQueryNode') {
    if (alias === undefined) return unsupported(inner, at, 'a sub-select in `from` needs a name')
    return { kind: 'select', select: compileSelect(inner as SelectQueryNode, at), alias }
  }
  const own = ownWords(inner)
  if (own?.t === 'rows' && alias !== undefined) return { kind: 'rows', columns: own.columns, rows: literalRows(own), alias }
  return unsupported(inner, at, 'rows come from tables and sub-selects only')
}

function compileJoin(node: JoinNode, path: string): SelectIr['joins'][number] {
  only(node, path, ['joinType', 'table', 'on'])
  if (node.joinType !== 'InnerJoin' && node.joinType !== 'LeftJoin')
    unsupported(node, `${path}.joinType`, `${node.joinType} is not supported, inner and left join are`)
  if (!node.on) return unsupported(node, `${path}.on`, 'a join needs a condition')
  only(node.on, `${path}.on`, ['on'])
  return { left: node.joinType === 'LeftJoin', source: source(node.table, `${path}.table`), on: expression(node.on.on, `${path}.on.on`) }
}

export function selections(nodes: readonly SelectionNode[], path: string): SelectionIr[] {
  return nodes.map((node, index) => {
    const at = `${path}[${index}].selection`
    const { inner, path: innerPath, alias } = aliased(node.selection, at)
    if (inner.kind === 'SelectAllNode') return { kind: 'all' }
    if (inner.kind === 'ReferenceNode') {
      const reference = inner as ReferenceNode
      if (reference.column.kind === 'SelectAllNode')
        return reference.table ? { kind: 'all', table: tableName(reference.table, `${innerPath}.table`) } : { kind: 'all' }
      return { kind: 'expr', expr: expression(inner, innerPath), name: alias ?? columnName(reference.column, innerPath) }
    }
    if (inner.kind === 'ColumnNode')
      return { kind: 'expr', expr: expression(inner, innerPath), name: alias ?? columnName(inner, innerPath) }
    if (alias === undefined) return unsupported(inner, innerPath, 'an expression that is selected needs a name')
    return { kind: 'expr', expr: expression(inner, innerPath), name: alias }
  })
}

function compileOrder(node: OrderByItemNode, path: string): OrderIr {
  only(node, path, ['orderBy', 'direction', 'nulls'])
  const direction = node.direction === undefined ? 'asc' : rawWord(node.direction)
  if (direction !== 'asc' && direction !== 'desc') return unsupported(node, `${path}.direction`, 'the direction must be asc or desc')
  const expr = expression(node.orderBy, `${path}.orderBy`)
  return { expr, descending: direction === 'desc', ...(node.nulls ? { nulls: node.nulls } : {}) }
}

export function compileWith(node: WithNode | undefined, path: string): CteIr[] {
  if (!node) return []
  only(node, path, ['expressions'])
  return node.expressions.map((cte: CommonTableExpressionNode, index) => {
    const at = `${path}.expressions[${index}]`
    only(cte, at, ['name', 'expression', 'materialized'])
    only(cte.name, `${at}.name`, ['table', 'columns'])
    if (cte.expression.kind !== 'SelectQueryNode')
      return unsupported(cte.expression, `${at}.expression`, 'only a select can be named by `with`')
    return {
      name: tableName(cte.name.table, `${at}.name.table`),
      ...(cte.name.columns ? { columns: cte.name.columns.map((column) => columnName(column, `${at}.name.columns`)) } : {}),
      select: compileSelect(cte.expression as SelectQueryNode, `${at}.expression`),
    }
  })
}

function compileSetOperation(node: SetOperationNode, path: string): SetOperationIr {
  only(node, path, ['operator', 'expression', 'all'])
  let inner = unwrap(node.expression)
  if (inner.kind === 'ParensNode') inner = (inner as unknown as { node: OperationNode }).node
  if (inner.kind !== 'SelectQueryNode') return unsupported(inner, `${path}.expression`, 'only selects can be united')
  return { op: node.operator, all: node.all, select: compileSelect(inner as SelectQueryNode, `${path}.expression`) }
}
