import type {
  ColumnUpdateNode,
  DeleteQueryNode,
  InsertQueryNode,
  OnConflictNode,
  OperationNode,
  SelectQueryNode,
  UpdateQueryNode,
  ValuesNode,
} from 'kysely'
import type { AssignmentIr, ConflictIr, DeleteIr, Expr, InsertIr, SelectionIr, UpdateIr } from './ir.ts'
import { parameter } from './parameters.ts'
import { compileSelect, compileWith, endModifiers, explains, expression, selections, source } from './selects.ts'
import { columnName, only, tableName, unsupported } from './walk.ts'

export function compileInsert(node: InsertQueryNode, path: string): InsertIr {
  only(node, path, ['into', 'columns', 'values', 'returning', 'onConflict', 'with', 'defaultValues'])
  if (!node.into) return unsupported(node, `${path}.into`, 'a table is missing')
  const columns = (node.columns ?? []).map((column, index) => columnName(column, `${path}.columns[${index}]`))
  const base = {
    t: 'insert' as const,
    table: tableName(node.into, `${path}.into`),
    columns,
    ...(node.onConflict ? { conflict: compileConflict(node.onConflict, `${path}.onConflict`) } : {}),
    ...(node.returning ? { returning: returned(node.returning.selections, path) } : {}),
    ctes: compileWith(node.with, `${path}.with`),
  }
  if (node.defaultValues) return { ...base, rows: [[]] }
  const values = node.values
  if (values?.kind === 'SelectQueryNode') return { ...base, select: compileSelect(values as SelectQueryNode, `${path}.values`) }
  if (values?.kind !== 'ValuesNode') return unsupported(values ?? node, `${path}.values`, 'values or a select expected here')
  return { ...base, rows: compileRows(values as ValuesNode, `${path}.values`, columns.length) }
}

function compileRows(node: ValuesNode, path: string, width: number): (Expr | undefined)[][] {
  only(node, path, ['values'])
  return node.values.map((item, index) => {
    const at = `${path}.values[${index}]`
    const row =
      item.kind === 'PrimitiveValueListNode'
        ? item.values.map((value): Expr => ({ t: 'lit', ...parameter(value) }))
        : item.values.map((value, column) =>
            value.kind === 'DefaultInsertValueNode' ? undefined : expression(value, `${at}.values[${column}]`),
          )
    return row.length === width ? row : unsupported(item, at, 'a row has another number of values than there are columns')
  })
}

function compileConflict(node: OnConflictNode, path: string): ConflictIr {
  only(node, path, ['columns', 'updates', 'updateWhere', 'doNothing'])
  const columns = node.columns?.map((column, index) => columnName(column, `${path}.columns[${index}]`))
  if (node.updates && !columns) return unsupported(node, `${path}.columns`, '`do update` needs the columns of a unique key')
  return {
    ...(columns ? { columns } : {}),
    ...(node.updates ? { updates: assignments(node.updates, `${path}.updates`) } : {}),
    ...(node.updateWhere ? { updateWhere: expression(node.updateWhere.where, `${path}.updateWhere.where`) } : {}),
  }
}

const assignments = (nodes: readonly ColumnUpdateNode[], path: string): AssignmentIr[] =>
  nodes.map((node, index) => {
    const at = `${path}[${index}]`
    only(node, at, ['column', 'value'])
    return { column: columnName(node.column, `${at}.column`), value: expression(node.value, `${at}.value`) }
  })

const returned = (nodes: Parameters<typeof selections>[0], path: string): SelectionIr[] => selections(nodes, `${path}.returning.selections`)

function target(node: OperationNode | undefined, owner: OperationNode, path: string): { table: string; alias: string } {
  if (!node) return unsupported(owner, path, 'a table is missing')
  const found = source(node, path)
  return found.kind === 'table' ? { table: found.name, alias: found.alias } : unsupported(node, path, 'only a table can be changed')
}

export function compileUpdate(node: UpdateQueryNode, path: string): UpdateIr {
  only(node, path, ['table', 'from', 'where', 'updates', 'returning', 'with', 'explain', 'endModifiers'])
  const froms = node.from?.froms ?? []
  if (froms.length > 1) unsupported(froms[1] as OperationNode, `${path}.from.froms[1]`, 'one source of new values at most')
  return {
    t: 'update',
    ...target(node.table, node, `${path}.table`),
    ...(froms[0] ? { from: source(froms[0], `${path}.from.froms[0]`) } : {}),
    ...(node.where ? { where: expression(node.where.where, `${path}.where.where`) } : {}),
    updates: assignments(node.updates ?? [], `${path}.updates`),
    ...(node.returning ? { returning: returned(node.returning.selections, path) } : {}),
    ctes: compileWith(node.with, `${path}.with`),
    explain: explains(node.explain, `${path}.explain`),
    allowScan: endModifiers(node.endModifiers ?? [], `${path}.endModifiers`).allowScan,
  }
}

export function compileDelete(node: DeleteQueryNode, path: string): DeleteIr {
  only(node, path, ['from', 'where', 'returning', 'with', 'explain', 'endModifiers'])
  const [first, second] = node.from.froms
  if (second) unsupported(second, `${path}.from.froms[1]`, 'only one table can be changed')
  return {
    t: 'delete',
    ...target(first, node, `${path}.from.froms[0]`),
    ...(node.where ? { where: expression(node.where.where, `${path}.where.where`) } : {}),
    ...(node.returning ? { returning: returned(node.returning.selections, path) } : {}),
    ctes: compileWith(node.with, `${path}.with`),
    explain: explains(node.explain, `${path}.explain`),
    allowScan: endModifiers(node.endModifiers ?? [], `${path}.endModifiers`).allowScan,
  }
}
