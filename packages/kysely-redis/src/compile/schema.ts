/* oxlint-disable typescript/switch-exhaustiveness-check -- the default refuses every other node */
import type {
  AlterTableNode,
  ColumnDefinitionNode,
  CreateIndexNode,
  CreateTableNode,
  DropIndexNode,
  DropTableNode,
  ForeignKeyConstraintNode,
  OperationNode,
  OrderByItemNode,
  PrimaryKeyConstraintNode,
  ReferencesNode,
  UniqueConstraintNode,
} from 'kysely'
import { dataType } from './expressions.ts'
import type { AlterationIr, ColumnIr, ConstraintIr, Literal, ReferenceIr, SchemaIr } from './ir.ts'
import { expression } from './selects.ts'
import { columnName, only, rawWord, schemable, tableName, unsupported, unwrap } from './walk.ts'

export function compileCreateTable(node: CreateTableNode, path: string): SchemaIr {
  only(node, path, ['table', 'columns', 'constraints', 'ifNotExists'])
  return {
    t: 'create-table',
    table: tableName(node.table, `${path}.table`),
    ifNotExists: node.ifNotExists ?? false,
    columns: node.columns.map((column, index) => compileColumn(column, `${path}.columns[${index}]`)),
    constraints: (node.constraints ?? []).map((constraint, index) => compileConstraint(constraint, `${path}.constraints[${index}]`)),
  }
}

function compileColumn(node: ColumnDefinitionNode, path: string): ColumnIr {
  only(node, path, [
    'column',
    'dataType',
    'references',
    'primaryKey',
    'autoIncrement',
    'unique',
    'notNull',
    'defaultTo',
    'generated',
    'identity',
  ])
  if (node.generated) only(node.generated, `${path}.generated`, ['byDefault', 'identity'])
  const type = unwrap(node.dataType)
  const serial = type.kind === 'DataTypeNode' && ['serial', 'bigserial'].includes((type as unknown as { dataType: string }).dataType)
  return {
    name: columnName(node.column, `${path}.column`),
    kind: dataType(node.dataType, `${path}.dataType`),
    notNull: node.notNull ?? false,
    counted: serial || Boolean(node.autoIncrement ?? node.identity ?? node.generated?.identity),
    ...(node.defaultTo ? { default: constant(node.defaultTo.defaultValue, `${path}.defaultTo.defaultValue`) } : {}),
    primaryKey: node.primaryKey ?? false,
    unique: node.unique ?? false,
    ...(node.references ? { references: compileReferences(node.references, `${path}.references`) } : {}),
  }
}

function constant(node: OperationNode, path: string): { value: Literal['value']; kind: Literal['kind'] } {
  const expr = expression(node, path)
  if (expr.t !== 'lit') return unsupported(node, path, 'a default must be a plain value')
  return { value: expr.value, kind: expr.kind }
}

function compileReferences(node: ReferencesNode, path: string, outer: { onDelete?: unknown; onUpdate?: unknown } = {}): ReferenceIr {
  only(node, path, ['table', 'columns', 'onDelete', 'onUpdate'])
  const onDelete = (outer.onDelete ?? node.onDelete ?? 'no action') as string
  const onUpdate = (outer.onUpdate ?? node.onUpdate ?? 'no action') as string
  if (onDelete === 'set default') unsupported(node, `${path}.onDelete`, '`set default` is not supported')
  if (onUpdate !== 'no action' && onUpdate !== 'restrict')
    unsupported(node, `${path}.onUpdate`, `\`on update ${onUpdate}\` is not supported`)
  return {
    table: tableName(node.table, `${path}.table`),
    columns: node.columns.map((column, index) => columnName(column, `${path}.columns[${index}]`)),
    onDelete: onDelete as ReferenceIr['onDelete'],
  }
}

function compileConstraint(node: OperationNode, path: string): ConstraintIr {
  switch (node.kind) {
    case 'PrimaryKeyConstraintNode': {
      only(node, path, ['columns', 'name'])
      const primary = node as PrimaryKeyConstraintNode
      return { kind: 'primary', ...named(primary.name), columns: primary.columns.map((column) => columnName(column, `${path}.columns`)) }
    }
    case 'UniqueConstraintNode': {
      only(node, path, ['columns', 'name'])
      const unique = node as UniqueConstraintNode
      return { kind: 'unique', ...named(unique.name), columns: unique.columns.map((column) => columnName(column, `${path}.columns`)) }
    }
    case 'ForeignKeyConstraintNode': {
      only(node, path, ['columns', 'references', 'onDelete', 'onUpdate', 'name'])
      const foreign = node as ForeignKeyConstraintNode
      return {
        kind: 'foreign',
        ...named(foreign.name),
        columns: foreign.columns.map((column) => columnName(column, `${path}.columns`)),
        references: compileReferences(foreign.references, `${path}.references`, foreign),
      }
    }
    default:
      return unsupported(node, path, 'this constraint is not supported')
  }
}

const named = (name: { readonly name: string } | undefined): { name?: string } => (name ? { name: name.name } : {})

export function compileCreateIndex(node: CreateIndexNode, path: string): SchemaIr {
  only(node, path, ['name', 'table', 'columns', 'unique', 'using', 'ifNotExists'])
  if (node.using && rawWord(node.using) !== 'btree') unsupported(node, `${path}.using`, 'there is one kind of index, btree')
  if (!node.table) return unsupported(node, `${path}.table`, 'a table is missing')
  return {
    t: 'create-index',
    name: node.name.name,
    table: tableName(node.table, `${path}.table`),
    columns: (node.columns ?? []).map((column, index) => indexColumn(column, `${path}.columns[${index}]`)),
    unique: node.unique ?? false,
    ifNotExists: node.ifNotExists ?? false,
  }
}

/** An index is read both ways: the direction in its definition does not matter for a single order. */
function indexColumn(node: OperationNode, path: string): string {
  if (node.kind !== 'OrderByItemNode') return columnName(unwrap(node), path)
  only(node, path, ['orderBy', 'direction'])
  return columnName(unwrap((node as OrderByItemNode).orderBy), `${path}.orderBy`)
}

export function compileDropIndex(node: DropIndexNode, path: string): SchemaIr {
  only(node, path, ['name', 'table', 'ifExists', 'cascade'])
  return {
    t: 'drop-index',
    name: schemable(node.name, `${path}.name`),
    ...(node.table ? { table: tableName(node.table, `${path}.table`) } : {}),
    ifExists: node.ifExists ?? false,
  }
}

export function compileDropTable(node: DropTableNode, path: string): SchemaIr {
  only(node, path, ['table', 'ifExists', 'cascade'])
  if (node.cascade) unsupported(node, `${path}.cascade`, 'drop the references first')
  return { t: 'drop-table', table: tableName(node.table, `${path}.table`), ifExists: node.ifExists ?? false }
}

export function compileAlterTable(node: AlterTableNode, path: string): SchemaIr {
  only(node, path, ['table', 'renameTo', 'columnAlterations', 'addConstraint', 'dropConstraint'])
  const alterations: AlterationIr[] = (node.columnAlterations ?? []).map((item, index) =>
    alteration(item, `${path}.columnAlterations[${index}]`),
  )
  if (node.renameTo) alterations.push({ kind: 'rename-table', to: tableName(node.renameTo, `${path}.renameTo`) })
  if (node.addConstraint)
    alterations.push({
      kind: 'add-constraint',
      constraint: compileConstraint(node.addConstraint.constraint, `${path}.addConstraint.constraint`),
    })
  if (node.dropConstraint) {
    only(node.dropConstraint, `${path}.dropConstraint`, ['constraintName'])
    alterations.push({ kind: 'drop-constraint', name: node.dropConstraint.constraintName.name })
  }
  return { t: 'alter-table', table: tableName(node.table, `${path}.table`), alterations }
}

type Alteration = NonNullable<AlterTableNode['columnAlterations']>[number]

function alteration(node: Alteration, path: string): AlterationIr {
  switch (node.kind) {
    case 'AddColumnNode':
      return { kind: 'add-column', column: compileColumn(node.column, `${path}.column`) }
    case 'DropColumnNode':
      only(node, path, ['column'])
      return { kind: 'drop-column', column: columnName(node.column, `${path}.column`) }
    case 'RenameColumnNode':
      return { kind: 'rename-column', column: columnName(node.column, `${path}.column`), to: columnName(node.renameTo, `${path}.renameTo`) }
    case 'AlterColumnNode': {
      only(node, path, ['column', 'setDefault', 'dropDefault', 'setNotNull', 'dropNotNull'])
      const column = columnName(node.column, `${path}.column`)
      if (node.setDefault) return { kind: 'set-default', column, value: constant(node.setDefault, `${path}.setDefault`) }
      return { kind: node.dropDefault ? 'drop-default' : node.setNotNull ? 'set-not-null' : 'drop-not-null', column }
    }
    default:
      return unsupported(node, path, 'this alteration is not supported')
  }
}
