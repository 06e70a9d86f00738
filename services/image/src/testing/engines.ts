import { timestamp } from '@murmuration/data'
import type { TestEngine } from '@murmuration/data/testing'
import { createRealWorld, type World } from '@murmuration/world'
import type { Caller } from '../store/caller.ts'
import type { Quotas } from '../store/data.ts'
import { createDirectData } from '../store/direct.ts'
import type { ImageData } from '../store/image-data.ts'
import { migrations } from '../store/migrations/index.ts'
import type { ImageRecord } from '../store/records.ts'
import type { ImageDatabase, Schema } from '../store/schema.ts'

/** A clock that goes on by one millisecond with every look, so that nothing has the same time by chance. */
export function steppingWorld(startMs = Date.UTC(2031, 4, 4, 10, 0, 0)): World & { step(ms: number): void } {
  const real = createRealWorld({ log: { level: 'silent' } })
  let nowMs = startMs
  return {
    ...real,
    clock: { nowMs: () => (nowMs += 1), monotonicMs: () => real.clock.monotonicMs() },
    step: (ms) => void (nowMs += ms),
  }
}

export const admin: Caller = { isAdmin: true, owner: 'admin', userId: 'root' }
export const user = (owner: string | null): Caller => ({ isAdmin: false, owner, userId: `of-${owner}` })

export interface Bench {
  readonly database: ImageDatabase
  readonly data: ImageData
  readonly world: ReturnType<typeof steppingWorld>
  /** A row with the values that matter; active and raw unless they say otherwise. */
  readonly image: (values?: Readonly<Record<string, unknown>>) => Promise<ImageRecord>
  /** Text of a time, seconds after the start. */
  readonly at: (seconds: number) => string
}

export async function openBench(engine: TestEngine, quotas: Quotas = { storageBytes: 0, count: 0 }): Promise<Bench> {
  const database = await engine.open<Schema>(migrations)
  const startMs = Date.UTC(2031, 4, 4, 10, 0, 0)
  const world = steppingWorld(startMs)
  const data = createDirectData(database, world, quotas)
  return {
    database,
    data,
    world,
    image: (values = {}) =>
      data.image_create(admin, { values: { status: 'active', disk_format: 'raw', container_format: 'bare', ...values } }),
    at: (seconds) => timestamp(startMs + seconds * 1000),
  }
}

export const names = (images: readonly ImageRecord[]): (string | null)[] => images.map(({ name }) => name)

/** Those that others refer to come last. */
const tables = [
  'image_properties',
  'image_tags',
  'image_locations',
  'image_members',
  'image_data',
  'tasks',
  'images',
  'metadef_entries',
  'metadef_associations',
  'metadef_namespaces',
  'metadef_resource_types',
] as const

/** One database serves many scenarios: making one takes longer than running one. */
export async function emptyDatabase({ query }: ImageDatabase): Promise<void> {
  for (const table of tables) await query.deleteFrom(table).execute()
}
