/* oxlint-disable typescript/switch-exhaustiveness-check -- the default refuses every other node */
import type {
  AggregateFunctionNode,
  AndNode,
  BinaryOperationNode,
  CaseNode,
  CastNode,
  DataTypeNode,
  FunctionNode,
  OperationNode,
  OperatorNode,
  OrNode,
  ParensNode,
  PrimitiveValueListNode,
  ReferenceNode,
  SelectionNode,
  SelectQueryNode,
  UnaryOperationNode,
  ValueListNode,
  ValueNode,
  WhenNode,
} from 'kysely'
import { kindOfType, type Kind } from '../values/kinds.ts'
import type { Aggregate, Arithmetic, Comparison, Expr, SelectIr } from './ir.ts'
import { parameter } from './parameters.ts'
import { columnName, only, rawWord, tableName, unsupported, unwrap } from './walk.ts'

export type SelectCompiler = (node: SelectQueryNode, path: string) => SelectIr

const comparisons: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
}
const arithmetic: readonly string[] = ['+', '-', '*', '/', '%']
const aggregates: readonly string[] = ['count', 'sum', 'avg', 'min', 'max']

/** Scalar functions: name → least and most arguments. */
export const scalarFunctions: Readonly<Record<string, readonly [number, number]>> = {
  coalesce: [1, 64],
  nullif: [2, 2],
  lower: [1, 1],
  upper: [1, 1],
  length: [1, 1],
  abs: [1, 1],
  substr: [2, 3],
  instr: [2, 2],
  strpos: [2, 2],
}

const literal = (value: unknown, immediate = false): Expr => ({ t: 'lit', ...parameter(value, immediate) })

/** Turns an expression of Kysely's into ours, or refuses. */
export function compileExpression(outer: OperationNode, path: string, select: SelectCompiler): Expr {
  const node = unwrap(outer)
  const sub = (inner: OperationNode, at: string): Expr => compileExpression(inner, `${path}.${at}`, select)
  switch (node.kind) {
    case 'ParensNode':
      only(node, path, ['node'])
      return sub((node as ParensNode).node, 'node')
    case 'ValueNode':
      only(node, path, ['value', 'immediate'])
      return literal((node as ValueNode).value, (node as ValueNode).immediate)
    case 'AndNode':
    case 'OrNode': {
      only(node, path, ['left', 'right'])
      const items = flatten(node as AndNode | OrNode, path)
      for (const { inner, at } of items) if (node.kind === 'AndNode' && unwrap(inner).kind === 'OrNode') parensMissing(inner, at)
      return {
        t: node.kind === 'AndNode' ? 'and' : 'or',
        items: items.map(({ inner, at }) => compileExpression(inner, at, select)),
      }
    }
    case 'ReferenceNode':
    case 'ColumnNode':
      return compileReference(node, path)
    case 'BinaryOperationNode':
      return compileBinary(node as BinaryOperationNode, path, select)
    case 'UnaryOperationNode':
      return compileUnary(node as UnaryOperationNode, path, select)
    case 'SelectQueryNode':
      return { t: 'scalar', select: select(node as SelectQueryNode, path) }
    case 'FunctionNode': {
      only(node, path, ['func', 'arguments'])
      const call = node as FunctionNode
      const name = call.func.toLowerCase()
      const arity = Object.hasOwn(scalarFunctions, name) ? scalarFunctions[name] : undefined
      if (!arity) return unsupported(node, `${path}.func`, `there is no function ${call.func}`)
      if (call.arguments.length < arity[0] || call.arguments.length > arity[1])
        return unsupported(node, `${path}.arguments`, `${name} takes another number of arguments`)
      return { t: 'fn', name, args: call.arguments.map((argument, index) => sub(argument, `arguments[${index}]`)) }
    }
    case 'AggregateFunctionNode':
      return compileAggregate(node as AggregateFunctionNode, path, select)
    case 'CaseNode':
      return compileCase(node as CaseNode, path, select)
    case 'CastNode': {
      only(node, path, ['expression', 'dataType'])
      const cast = node as CastNode
      return { t: 'cast', item: sub(cast.expression, 'expression'), to: dataType(cast.dataType, `${path}.dataType`) }
    }
    case 'RawNode': {
      const word = rawWord(node)
      if (word === 'null') return literal(null, true)
      if (word === 'true' || word === 'false') return literal(word === 'true', true)
      return unsupported(node, path, 'raw SQL can not be run')
    }
    default:
      return unsupported(node, path, 'this is not an expression that Redis can evaluate')
  }
}

/** Long chains of and/or are lists to us: `where` in a loop must not make a deep recursion. */
function flatten(node: AndNode | OrNode, path: string): { inner: OperationNode; at: string }[] {
  const items: { inner: OperationNode; at: string }[] = []
  let inner: OperationNode = node
  let at = path
  while (inner.kind === node.kind) {
    const chain = inner as AndNode
    items.push({ inner: chain.right, at: `${at}.right` })
    inner = chain.left
    at += '.left'
  }
  items.push({ inner, at })
  return items.reverse()
}

function compileReference(node: OperationNode, path: string): Expr {
  if (node.kind === 'ColumnNode') return { t: 'col', name: columnName(node, path) }
  only(node, path, ['table', 'column'])
  const reference = node as ReferenceNode
  const name = columnName(reference.column, `${path}.column`)
  return reference.table ? { t: 'col', table: tableName(reference.table, `${path}.table`), name } : { t: 'col', name }
}

function operatorOf(node: OperationNode, path: string): string {
  return node.kind === 'OperatorNode' ? (node as OperatorNode).operator : unsupported(node, path, 'raw operators can not be run')
}

/** How tightly SQL binds; 0 for `||`, about which databases differ. */
const bindings: Readonly<Record<string, number>> = { '*': 3, '/': 3, '%': 3, '+': 2, '-': 2, '||': 0 }
const bindingOf = (operator: string): number => bindings[operator] ?? 1

/**
 * Kysely prints `(a - b) * c` as `a - b * c` unless it is told to put parentheses, and an SQL database then computes something else than
 * the tree says. Such a tree has no meaning that all engines share, so it is refused.
 */
function needsParens(outer: OperationNode, operator: string, left: boolean): boolean {
  const node = unwrap(outer)
  if (node.kind === 'AndNode' || node.kind === 'OrNode') return true
  if (node.kind === 'UnaryOperationNode') return ((node as UnaryOperationNode).operator as OperatorNode).operator === 'not'
  if (node.kind !== 'BinaryOperationNode') return false
  const inner = ((node as BinaryOperationNode).operator as OperatorNode).operator
  if (operator === '||' || inner === '||') return inner !== operator || !left
  const [around, within] = [bindingOf(operator), bindingOf(inner)]
  return within < around || (within === around && (!left || around === 1))
}

const parensMissing = (node: OperationNode, path: string): never =>
  unsupported(node, path, 'without parentheses SQL reads this another way: use eb.parens(…)')

function compileBinary(node: BinaryOperationNode, path: string, select: SelectCompiler): Expr {
  only(node, path, ['leftOperand', 'operator', 'rightOperand'])
  const operator = operatorOf(node.operator, `${path}.operator`)
  if (needsParens(node.leftOperand, operator, true)) parensMissing(node.leftOperand, `${path}.leftOperand`)
  if (operator !== 'between' && needsParens(node.rightOperand, operator, false)) parensMissing(node.rightOperand, `${path}.rightOperand`)
  const left = compileExpression(node.leftOperand, `${path}.leftOperand`, select)
  const rightPath = `${path}.rightOperand`
  const right = (): Expr => compileExpression(node.rightOperand, rightPath, select)
  const compare = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined
  if (compare) return { t: 'cmp', op: compare, left, right: right() }
  if (arithmetic.includes(operator)) return { t: 'arith', op: operator as Arithmetic, left, right: right() }
  switch (operator) {
    case '||':
      return { t: 'concat', left, right: right() }
    case 'is':
    case 'is not distinct from':
      return { t: 'distinct', negated: true, left, right: right() }
    case 'is not':
    case 'is distinct from':
      return { t: 'distinct', negated: false, left, right: right() }
    case 'like':
    case 'not like':
      return { t: 'like', negated: operator === 'not like', left, right: right() }
    case 'in':
    case 'not in':
      return compileIn(operator === 'not in', left, unwrap(node.rightOperand), rightPath, select)
    case 'between': {
      const bounds = node.rightOperand
      if (bounds.kind !== 'AndNode') return unsupported(bounds, rightPath, 'between needs two bounds')
      const low = compileExpression((bounds as AndNode).left, `${rightPath}.left`, select)
      const high = compileExpression((bounds as AndNode).right, `${rightPath}.right`, select)
      return {
        t: 'and',
        items: [
          { t: 'cmp', op: '>=', left, right: low },
          { t: 'cmp', op: '<=', left, right: high },
        ],
      }
    }
    default:
      return unsupported(node, `${path}.operator`, `the operator ${operator} is not supported`)
  }
}

function compileIn(negated: boolean, left: Expr, node: OperationNode, path: string, select: SelectCompiler): Expr {
  switch (node.kind) {
    case 'PrimitiveValueListNode':
      return { t: 'in', negated, left, items: (node as PrimitiveValueListNode).values.map((value) => literal(value)) }
    case 'ValueListNode':
      return {
        t: 'in',
        negated,
        left,
        items: (node as ValueListNode).values.map((value, index) => compileExpression(value, `${path}.values[${index}]`, select)),
      }
    case 'SelectQueryNode':
      return { t: 'in-select', negated, left, select: select(node as SelectQueryNode, path) }
    case 'ParensNode':
      return compileIn(negated, left, (node as ParensNode).node, `${path}.node`, select)
    default:
      return unsupported(node, path, '`in` needs a list or a sub-select')
  }
}

function compileUnary(node: UnaryOperationNode, path: string, select: SelectCompiler): Expr {
  only(node, path, ['operator', 'operand'])
  const operator = operatorOf(node.operator, `${path}.operator`)
  const operandPath = `${path}.operand`
  const inner = unwrap(node.operand).kind
  if (inner === 'AndNode' || inner === 'OrNode' || (operator === '-' && inner === 'BinaryOperationNode'))
    parensMissing(node.operand, operandPath)
  switch (operator) {
    case 'not':
      return { t: 'not', item: compileExpression(node.operand, operandPath, select) }
    case '-':
      return { t: 'neg', item: compileExpression(node.operand, operandPath, select) }
    case 'exists':
    case 'not exists': {
      let inner = unwrap(node.operand)
      if (inner.kind === 'ParensNode') inner = (inner as ParensNode).node
      if (inner.kind !== 'SelectQueryNode') return unsupported(inner, operandPath, 'exists needs a sub-select')
      const exists: Expr = { t: 'exists', select: select(inner as SelectQueryNode, operandPath) }
      return operator === 'exists' ? exists : { t: 'not', item: exists }
    }
    default:
      return unsupported(node, `${path}.operator`, `the operator ${operator} is not supported`)
  }
}

function compileAggregate(node: AggregateFunctionNode, path: string, select: SelectCompiler): Expr {
  only(node, path, ['func', 'aggregated', 'distinct', 'filter'])
  const fn = node.func.toLowerCase()
  if (!aggregates.includes(fn)) return unsupported(node, `${path}.func`, `there is no aggregate ${node.func}`)
  const [given] = node.aggregated
  // `countAll` wraps its star.
  const first = given?.kind === 'SelectionNode' ? (given as SelectionNode).selection : given
  if (node.aggregated.length !== 1 || !first) return unsupported(node, `${path}.aggregated`, 'an aggregate takes one argument')
  const all = first.kind === 'SelectAllNode' || (first.kind === 'ReferenceNode' && (first as ReferenceNode).column.kind === 'SelectAllNode')
  if (all && (fn !== 'count' || node.distinct)) return unsupported(node, `${path}.aggregated[0]`, 'only count takes *')
  return {
    t: 'agg',
    fn: fn as Aggregate,
    distinct: node.distinct ?? false,
    ...(all ? {} : { arg: compileExpression(first, `${path}.aggregated[0]`, select) }),
    ...(node.filter ? { filter: compileExpression(node.filter.where, `${path}.filter.where`, select) } : {}),
  }
}

function compileCase(node: CaseNode, path: string, select: SelectCompiler): Expr {
  only(node, path, ['value', 'when', 'else'])
  const whens = (node.when ?? []).map((when: WhenNode, index) => {
    const at = `${path}.when[${index}]`
    only(when, at, ['condition', 'result'])
    if (!when.result) return unsupported(when, `${at}.result`, '`then` is missing')
    return {
      when: compileExpression(when.condition, `${at}.condition`, select),
      result: compileExpression(when.result, `${at}.result`, select),
    }
  })
  return {
    t: 'case',
    whens,
    ...(node.value ? { value: compileExpression(node.value, `${path}.value`, select) } : {}),
    ...(node.else ? { otherwise: compileExpression(node.else, `${path}.else`, select) } : {}),
  }
}

/** A column's or cast's type. Sizes are accepted and not enforced, as SQLite does. */
export function dataType(outer: OperationNode, path: string): Kind {
  const node = unwrap(outer)
  const text = node.kind === 'DataTypeNode' ? (node as DataTypeNode).dataType : rawWord(node)
  const name = text?.replace(/\s*\(.*\)$/, '')
  const kind = name !== undefined && Object.hasOwn(kindOfType, name) ? kindOfType[name] : undefined
  return kind ?? unsupported(node, path, `there is no type ${text ?? 'made of raw SQL'}`)
}
