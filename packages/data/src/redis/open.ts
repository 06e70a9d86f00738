import { RedisDialect, tableExists, type Environment, type Limits } from 'kysely-redis'
import type { World } from '@murmuration/world'
import { encode } from '../codec.ts'
import type { DatabaseOptions } from '../database.ts'
import type { EngineParts } from '../engine.ts'
import { redisColumns } from '../migrations.ts'
import { Compiler, lockQuery, withLocks } from './driver.ts'
import { TransactionLocks } from './locks.ts'
import { redisTransfer } from './transfer.ts'
import { translateRedis } from './translate.ts'
import { readRedisUrl } from './url.ts'

/** A server that is not there is told soon at start; later a failover is waited for. */
const startPatienceMs = 1_500
const longestOutageMs = 10_000

/** Set-based statements of a large fleet are larger than what suits a shared server: here the database is ours. */
const limits: Partial<Limits> = {
  rowsInMemory: 500_000,
  // A query that finds no index is slow on every engine and shows in the counters; it must not begin to fail as a fleet grows.
  scannedRows: 500_000,
  rowsPerCommit: 100_000,
  charactersPerCommit: 128 * 1024 * 1024,
}

const environmentOf = (world: World): Environment => ({
  monotonicMs: () => world.clock.monotonicMs(),
  random: () => world.random.float(),
  uniqueId: () => world.random.uuid(),
  // The signal only ends the wait early.
  sleep: (durationMs, signal) => world.timers.sleep(durationMs, signal).catch(() => {}),
  connect: ({ host, port, tls }) => world.net.connect({ host, port, ...(tls ? { tls: {} } : {}) }),
})

/** `redis://` and `redis+cluster://`, see url.ts. Throws `unavailable` when the server is not there, or not fit to keep data. */
export async function openRedis(text: string, options: DatabaseOptions): Promise<EngineParts> {
  const { url, namespace, persistence, nearCacheEntries } = readRedisUrl(text)
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000
  let dialect: RedisDialect
  try {
    dialect = new RedisDialect({
      url,
      namespace,
      persistence,
      environment: environmentOf(options.world),
      encodeParameter: encode,
      onLostCommits: ({ lost, asked, sinceMs }) =>
        options.world.log.error('a failover of Redis has lost commits that were answered', {
          database: options.name,
          lost,
          asked,
          sinceMs,
        }),
      ...(nearCacheEntries === undefined ? {} : { nearCache: { entries: nearCacheEntries } }),
      clientName: `murmuration-${options.name}`,
      limits: { ...limits, commandTimeoutMs: longestOutageMs },
    })
    await dialect.start(startPatienceMs)
  } catch (error) {
    throw translateRedis(error)
  }
  const locks = new TransactionLocks(dialect.locks, options.world, statementTimeoutMs)
  let closed = false
  return {
    engine: 'redis',
    world: options.world,
    columns: redisColumns,
    dialect: {
      createDriver: () => withLocks(dialect.createDriver(), locks, () => closed),
      createAdapter: () => dialect.createAdapter(),
      createQueryCompiler: () => new Compiler(dialect.createQueryCompiler()),
      createIntrospector: () => dialect.createIntrospector(),
    },
    translate: translateRedis,
    async lock(query, name) {
      await query.executeQuery(lockQuery(name))
    },
    queueWhoLoses: true,
    transfer: redisTransfer,
    createSnapshotDriver: () => withLocks(dialect.createSnapshotDriver(), locks, () => closed),
    async tableExists(query, table) {
      return (await query.executeQuery(tableExists(table))).rows.length > 0
    },
    forMigrations: (query) => query,
    check: async () => [...(await dialect.check()).problems],
    ping: () => dialect.ping(),
    async shutDown() {
      closed = true
      await dialect.close()
    },
  }
}
