import type { Database, Transaction } from '@murmuration/data'
import type { KyselyPlugin, RootOperationNode } from 'kysely'

/** Tables by name; `*` when a statement does not say. */
export type Written = Set<string>

/** What the harness learns of a process's statements, and where it may end the process. */
export interface DatabaseProbe {
  /** After every statement and every commit. May never resolve: then the process died there. */
  passed(): Promise<void> | undefined
  /** At once after a commit, before the caller hears of it. */
  committed(written: ReadonlySet<string>): void
  readonly alive: boolean
  /** Asked before each write: what the disk says to it. */
  fault(): Error | undefined
}

/**
 * The process's database with ears: which tables each commit wrote, and a point after each statement at which the process may die.
 * What the product sees is the real thing.
 */
export function probed<DB>(database: Database<DB>, probe: DatabaseProbe): Database<DB> {
  const alone = watcher(probe, (written) => probe.committed(written))
  return {
    engine: database.engine,
    name: database.name,
    get counters() {
      return database.counters
    },
    query: database.query.withPlugin(alone),
    async transaction<T>(work: (tx: Transaction<DB>) => Promise<T>, options?: Parameters<Database<DB>['transaction']>[1]): Promise<T> {
      let written: Written = new Set()
      const result = await database.transaction(async (tx) => {
        const mine: Written = new Set()
        written = mine
        // First in the line, so that a death between a commit and what follows it takes the follow-ups along.
        const after: (() => void)[] = []
        tx.afterCommit(() => {
          if (mine.size > 0) probe.committed(mine)
          if (probe.alive) for (const then of after) then()
        })
        const watch = watcher(probe, (tables) => {
          for (const table of tables) mine.add(table)
        })
        return await work({
          engine: tx.engine,
          query: tx.query.withPlugin(watch),
          lock: (name) => tx.lock(name),
          afterCommit: (then) => void after.push(then),
        })
      }, options)
      if (written.size > 0) await probe.passed()
      return result
    },
    snapshot: (work) => database.snapshot(work),
    migrate: (migrations) => database.migrate(migrations),
    migrationStatus: (migrations) => database.migrationStatus(migrations),
    ping: () => database.ping(),
    close: () => database.close(),
  }
}

function watcher(probe: DatabaseProbe, wrote: (tables: Written) => void): KyselyPlugin {
  const pending = new WeakMap<object, string>()
  return {
    transformQuery({ node, queryId }) {
      const table = writtenTable(node)
      const fault = table === undefined ? undefined : probe.fault()
      if (fault !== undefined) throw fault
      if (table !== undefined) pending.set(queryId, table)
      return node
    },
    async transformResult({ result, queryId }) {
      const table = pending.get(queryId)
      if (table !== undefined && result.numAffectedRows !== 0n) wrote(new Set([table]))
      await probe.passed()
      return result
    },
  }
}

interface NamedTable {
  readonly table?: { readonly identifier?: { readonly name?: string } }
}

function writtenTable(node: RootOperationNode): string | undefined {
  const name = (table: unknown): string => (table as NamedTable | undefined)?.table?.identifier?.name ?? '*'
  if (node.kind === 'InsertQueryNode') return name(node.into)
  if (node.kind === 'UpdateQueryNode') return name(node.table)
  if (node.kind === 'DeleteQueryNode') return name((node.from as { froms?: readonly unknown[] }).froms?.[0])
  // updateFrom of packages/data.
  if (node.kind === 'RawNode' && node.sqlFragments[0]?.startsWith('update ') === true) return name(node.parameters[0])
  return undefined
}
