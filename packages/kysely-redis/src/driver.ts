/* oxlint-disable typescript/switch-exhaustiveness-check -- the default: all other statements change tables */
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from 'kysely'
import { purgeDropped } from './catalog/build.ts'
import { changeSchema, changeSchemaIn } from './catalog/ddl.ts'
import { statementOf } from './compile/compiler.ts'
import type { Statement } from './compile/ir.ts'
import type { Engine } from './engine.ts'
import { describeTables } from './catalog/describe.ts'
import { fail, isSerializationFailure } from './errors.ts'
import { pauseMs } from './retry.ts'
import { execute, executeAlone, type QueryIr } from './run/execute.ts'
import { Session } from './run/session.ts'

/** Connections are nothing but the state of a transaction: all of them share the sockets of the engine. */
export class RedisDriver implements Driver {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Refuses a server that is too old or may evict keys. */
  async init(): Promise<void> {
    await this.#engine.checkServers()
  }

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve(new RedisConnection(this.#engine))
  }

  releaseConnection(): Promise<void> {
    return Promise.resolve()
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    ;(connection as RedisConnection).begin(settings)
    return Promise.resolve()
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as RedisConnection).commit()
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    ;(connection as RedisConnection).rollback()
    return Promise.resolve()
  }

  savepoint(connection: DatabaseConnection, name: string): Promise<void> {
    ;(connection as RedisConnection).savepoint(name)
    return Promise.resolve()
  }

  rollbackToSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    ;(connection as RedisConnection).rollbackTo(name)
    return Promise.resolve()
  }

  releaseSavepoint(connection: DatabaseConnection, name: string): Promise<void> {
    ;(connection as RedisConnection).release(name)
    return Promise.resolve()
  }

  async destroy(): Promise<void> {
    await this.#engine.wire.close()
  }
}

interface Open {
  readonly session: Session
  readonly savepoints: { name: string; mark: number }[]
}

export class RedisConnection implements DatabaseConnection {
  readonly #engine: Engine
  #transaction: Open | undefined

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get engine(): Engine {
    return this.#engine
  }

  begin(settings: TransactionSettings): void {
    this.#transaction = { session: new Session(this.#engine, { readOnly: settings.accessMode === 'read only' }), savepoints: [] }
  }

  /** Every isolation level is served as serializable. */
  async commit(): Promise<void> {
    const transaction = this.#transaction
    this.#transaction = undefined
    if (!transaction) return
    await transaction.session.commit()
    if (transaction.session.changedSchema) await purgeDropped(this.#engine, transaction.session.catalog.group)
  }

  rollback(): void {
    this.#transaction = undefined
  }

  savepoint(name: string): void {
    const transaction = this.#transaction ?? fail('invalid-query', 'A savepoint needs a transaction.')
    transaction.savepoints.push({ name, mark: transaction.session.buffer.mark() })
  }

  rollbackTo(name: string): void {
    const { transaction, at } = this.#find(name)
    transaction.session.buffer.rollbackTo((transaction.savepoints[at] as { mark: number }).mark)
    transaction.savepoints.length = at + 1
  }

  release(name: string): void {
    const { transaction, at } = this.#find(name)
    transaction.savepoints.length = at
  }

  #find(name: string): { transaction: Open; at: number } {
    const transaction = this.#transaction ?? fail('invalid-query', 'A savepoint needs a transaction.')
    const at = transaction.savepoints.findLastIndex((savepoint) => savepoint.name === name)
    return at >= 0 ? { transaction, at } : fail('undefined-object', `There is no savepoint ${name}.`)
  }

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    return (await this.#run(statementOf(compiled.query))) as QueryResult<R>
  }

  /** Rows in chunks. The whole result is made first: the limit on rows in memory holds. */
  async *streamQuery<R>(compiled: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    const { rows } = await this.executeQuery<R>(compiled)
    for (let at = 0; at < rows.length; at += chunkSize) yield { rows: rows.slice(at, at + chunkSize) }
  }

  async #run(statement: Statement): Promise<QueryResult<Record<string, unknown>>> {
    const transaction = this.#transaction
    switch (statement.t) {
      case 'select':
      case 'insert':
      case 'update':
      case 'delete':
        if (!transaction) return await this.#alone(statement)
        try {
          return await execute(transaction.session, statement)
        } finally {
          this.#report(transaction.session)
        }
      case 'fence':
        if (!transaction) return fail('invalid-query', 'A fence needs a transaction.')
        transaction.session.fence(statement.lock, statement.value)
        return { rows: [] }
      case 'table-exists':
        return { rows: (await this.#hasTable(statement.table)) ? [{ name: statement.table }] : [] }
      case 'describe-tables':
        return { rows: await describeTables(this.#engine, transaction?.session) }
      case 'defer-references':
        if (!transaction) return fail('invalid-query', 'References are deferred to the end of a transaction.')
        transaction.session.deferReferences()
        return { rows: [] }
      case 'check-references':
        await transaction?.session.checkDeferred()
        return { rows: [] }
      case 'raise-counter': {
        if (!transaction) return fail('invalid-query', 'A counter is raised by a transaction.')
        const table = (await transaction.session.catalogFor([statement.table])).byName.get(statement.table)
        if (!table) return fail('undefined-table', `There is no table ${statement.table}.`)
        transaction.session.buffer.raiseCounter(table, statement.last)
        return { rows: [] }
      }
      default:
        if (transaction && transaction.savepoints.length > 0)
          return fail('invalid-query', 'Tables can not be changed after a savepoint: that could not be taken back alone.')
        if (transaction) await changeSchemaIn(transaction.session, statement)
        else await changeSchema(this.#engine, statement)
        return { rows: [] }
    }
  }

  async #hasTable(table: string): Promise<boolean> {
    if (this.#transaction) return (await this.#transaction.session.catalogFor([table])).byName.has(table)
    const group = this.#engine.groupOf(table)
    // Nobody tells us when others make tables: what we know may be old.
    this.#engine.schemaChanged(group)
    return (await this.#engine.catalog(group)).byName.has(table)
  }

  /** A statement outside of a transaction is one of its own, and is run again after a lost race. */
  async #alone(statement: QueryIr): Promise<QueryResult<Record<string, unknown>>> {
    const { environment, limits } = this.#engine
    for (let attempt = 1, hopes = statement.t === 'insert' && !statement.conflict; ; attempt++) {
      // A query that others always get in the way of is answered without the check in the end: what it saw was committed, but not at one moment.
      const last = attempt >= limits.statementAttempts
      const session = new Session(this.#engine, {
        validated: !(last && statement.t === 'select'),
        attempt,
        nearby: attempt === 1 && statement.t === 'select',
        hopeful: hopes && !last,
      })
      session.counters.attempts = attempt
      try {
        const result = await executeAlone(session, statement)
        await session.commit()
        this.#report(session)
        return result
      } catch (error) {
        if (!isSerializationFailure(error) || last) throw error
      }
      // Nobody was in the way of a hope that was wrong.
      if (!hopes) await environment.sleep(pauseMs(attempt, environment.random()))
      hopes = false
    }
  }

  #report(session: Session): void {
    this.#engine.onStatement?.({ ...session.counters })
    Object.assign(session.counters, { keysRead: 0, rowsFetched: 0, rowsReturned: 0, roundTrips: 0, cacheHits: 0 })
  }
}
