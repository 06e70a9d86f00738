import { timestamp } from '@murmuration/data'
import type { Timer, World } from '@murmuration/world'
import type { ImageStatus } from '../rules/status.ts'
import {
  abandoned,
  failData,
  freeData,
  garbage,
  loseData,
  storedData,
  stuckImages,
  unstick,
  dataLeaseMs,
  type DataRow,
} from '../store/data.ts'
import type { ImageDatabase } from '../store/schema.ts'
import { removeExpiredTasks } from '../store/tasks.ts'
import { removeOrphans } from './orphans.ts'
import type { ByteStore, Stores } from './stores/stores.ts'
import { StoreUnavailable } from './stores/unavailable.ts'

/** How often dead writers and garbage are looked for. */
export const sweepEveryMs = 15_000
/** How often all of every store is compared with what is written down, and tasks whose time is over are removed. */
export const proveEveryMs = 600_000
const pageSize = 200

/** What was found that should not be, and is mended now. */
export interface Found {
  abandoned: number
  garbage: number
  stuck: number
  orphans: number
  missing: number
}

export interface Sweeper {
  start(): void
  stop(): Promise<void>
  /** Dead writers' claims, garbage, images that wait for nobody. */
  sweep(): Promise<Pick<Found, 'abandoned' | 'garbage' | 'stuck'>>
  /** Tasks whose time is over go; returns how many. */
  expire(): Promise<number>
  /** Every byte has a row, every row has its bytes. Mends what does not. */
  prove(): Promise<Pick<Found, 'orphans' | 'missing'>>
}

/** Where an image goes back to when its writer died, by the status that it has while it is written. */
const backFrom: Readonly<Partial<Record<ImageStatus, ImageStatus>>> = { saving: 'queued', uploading: 'queued' }

/** Keeps rows and bytes together whatever dies in between. Any number of processes may run it: every step can be done twice. */
export function createSweeper(world: World, database: ImageDatabase, stores: Stores): Sweeper {
  let stopped = false
  let timer: Timer | undefined
  let running: Promise<void> = Promise.resolve()
  let provedMs = Number.NEGATIVE_INFINITY
  const everywhere = [...stores.all, stores.staging]

  /** One store that can not be asked says nothing about its bytes, and must not keep the others from being looked after. */
  async function unlessDown<T>(store: ByteStore, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      world.log.warn('a store can not be asked now; its data is looked after later', { store: store.id, error })
      return undefined
    }
  }
  const holds = async (store: ByteStore, row: DataRow): Promise<boolean> => (await store.size(row.id)) === row.bytes

  const removed = async (row: DataRow): Promise<boolean> => {
    const store = stores.any(row.store)
    // A store that is no longer configured may come back: what lies there is not forgotten.
    if (store === undefined || (await unlessDown(store, () => store.remove(row.id).then(() => true))) === undefined) return false
    await freeData(database, { data_id: row.id })
    return true
  }

  async function sweep(): Promise<Pick<Found, 'abandoned' | 'garbage' | 'stuck'>> {
    const found = { abandoned: 0, garbage: 0, stuck: 0 }
    const nowMs = world.clock.nowMs()
    for (const row of await abandoned(database, timestamp(nowMs), pageSize)) {
      found.abandoned += 1
      world.log.warn('whoever wrote the data of an image is gone; its claim is given back', { imageId: row.image_id, dataId: row.id })
      await database.transaction(async (tx) => {
        for (const [from, to] of Object.entries(backFrom) as [ImageStatus, ImageStatus][])
          await failData(tx, world, { data_id: row.id, from, to })
      })
    }
    for (let after: string | undefined = ''; after !== undefined;) {
      const rows = await garbage(database, after, pageSize)
      for (const row of rows) if (await removed(row)) found.garbage += 1
      after = rows.length < pageSize ? undefined : rows.at(-1)?.id
    }
    // Twice a lease: a writer whose row is being made is no case for us.
    for (const id of await stuckImages(database, timestamp(nowMs - 2 * dataLeaseMs), pageSize)) {
      found.stuck += 1
      world.log.warn('an image waited for data that nobody writes; it is queued again', { imageId: id })
      await database.transaction((tx) => unstick(tx, world, id))
    }
    return found
  }

  async function expire(): Promise<number> {
    const now = timestamp(world.clock.nowMs())
    for (let count = 0; ;) {
      const gone = await removeExpiredTasks(database, now, pageSize)
      count += gone
      if (gone < pageSize || stopped) return count
    }
  }

  async function missingBytes(): Promise<number> {
    let count = 0
    for (let after = ''; ;) {
      const rows = await storedData(database, after, pageSize)
      for (const row of rows) {
        const store = stores.any(row.store)
        if (store === undefined || (await unlessDown(store, () => holds(store, row))) !== false) continue
        const status = await database.transaction((tx) => loseData(tx, world, row.id))
        if (status === undefined) continue
        count += 1
        world.log.error('the data of an image is not in its store any more', {
          imageId: row.image_id,
          store: row.store,
          dataId: row.id,
          status,
        })
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < pageSize) return count
      after = last.id
    }
  }

  async function prove(): Promise<Pick<Found, 'orphans' | 'missing'>> {
    const missing = await missingBytes()
    let orphans = 0
    for (const store of everywhere) orphans += (await unlessDown(store, () => removeOrphans(world, database, stores.site, store))) ?? 0
    return { orphans, missing }
  }

  async function round(): Promise<void> {
    try {
      await sweep()
      if (stopped || world.clock.monotonicMs() - provedMs < proveEveryMs) return
      provedMs = world.clock.monotonicMs()
      await expire()
      await prove()
    } catch (error) {
      world.log.warn('sweeping failed and is tried again', { error })
    }
  }
  const next = (delayMs: number): void => {
    timer = world.timers.after(delayMs, () => {
      running = round().finally(() => {
        if (!stopped) next(sweepEveryMs * (0.9 + 0.2 * world.random.float()))
      })
    })
  }

  return {
    start: () => next(sweepEveryMs * world.random.float()),
    async stop() {
      stopped = true
      timer?.cancel()
      await running
    },
    sweep,
    expire,
    prove,
  }
}
