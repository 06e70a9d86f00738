/* oxlint-disable typescript/switch-exhaustiveness-check -- the default refuses every other statement */
import type { CompiledQuery, OperationNode, QueryCompiler, QueryId, RawNode, RootOperationNode } from 'kysely'
import type { Statement } from './ir.ts'
import { withEncoding, type EncodeParameter } from './parameters.ts'
import { compileAlterTable, compileCreateIndex, compileCreateTable, compileDropIndex, compileDropTable } from './schema.ts'
import { compileSelect } from './selects.ts'
import { ownWords } from './own-words.ts'
import { unsupported } from './walk.ts'
import { compileDelete, compileInsert, compileUpdate } from './writes.ts'

const statements = new WeakMap<OperationNode, Statement>()

/** Checks and translates the whole tree: what can't be run is refused here, before anything is sent. */
export class RedisQueryCompiler implements QueryCompiler {
  readonly #encode: EncodeParameter | undefined

  constructor(encode?: EncodeParameter) {
    this.#encode = encode
  }

  compileQuery(query: RootOperationNode, queryId: QueryId): CompiledQuery {
    const statement = withEncoding(this.#encode, () => statementOf(query))
    return Object.freeze({ query, queryId, sql: describe(statement), parameters: [] })
  }
}

/** What a compiled query means; translated once. */
export function statementOf(query: RootOperationNode): Statement {
  let statement = statements.get(query)
  if (statement === undefined) statements.set(query, (statement = translate(query)))
  return statement
}

function translate(node: RootOperationNode): Statement {
  const path = node.kind
  switch (node.kind) {
    case 'SelectQueryNode':
      return compileSelect(node, path)
    case 'InsertQueryNode':
      return compileInsert(node, path)
    case 'UpdateQueryNode':
      return compileUpdate(node, path)
    case 'DeleteQueryNode':
      return compileDelete(node, path)
    case 'CreateTableNode':
      return compileCreateTable(node, path)
    case 'DropTableNode':
      return compileDropTable(node, path)
    case 'CreateIndexNode':
      return compileCreateIndex(node, path)
    case 'DropIndexNode':
      return compileDropIndex(node, path)
    case 'AlterTableNode':
      return compileAlterTable(node, path)
    case 'RawNode':
      return ownStatementIn(node) ?? unsupported(node, path, 'raw SQL can not be run')
    default:
      return unsupported(node, path, 'this statement is not supported')
  }
}

/** The raw statements that we run are made by ourselves. */
function ownStatementIn(node: RawNode): Statement | undefined {
  const own = ownWords(node)
  return own && own.t !== 'rows' ? own : undefined
}

/** For logs: what is done to which tables, without values. */
function describe(statement: Statement): string {
  switch (statement.t) {
    case 'select': {
      const names = [statement.from, ...statement.joins.map((join) => join.source)].map((source) =>
        source?.kind === 'table' ? source.name : source?.alias,
      )
      return `select from ${names.filter((name) => name !== undefined).join(', ')}`
    }
    case 'drop-index':
      return `drop-index ${statement.name}`
    case 'fence':
      return `fence ${statement.lock}`
    case 'describe-tables':
    case 'defer-references':
    case 'check-references':
      return statement.t
    default:
      return `${statement.t} ${statement.table}`
  }
}
