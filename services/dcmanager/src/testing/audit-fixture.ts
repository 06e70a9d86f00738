import { randomBytes } from 'node:crypto'
import { bulkInsert, openDatabase, timestamp, type Database } from '@murmuration/data'
import { testEngine } from '@murmuration/data/testing'
import { openBus } from '@murmuration/rpc'
import type { Site, SiteConfig } from '@murmuration/site'
import { createRealWorld, type World } from '@murmuration/world'
import { endpointTypes, type Schema } from '../store/schema.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { migrations } from '../store/migrations/index.ts'

export interface TestEngine {
  readonly name: string
  /** A database of its own for every call. */
  url(): string | Promise<string>
}

/** SQLite and Redis always; PostgreSQL when the runner started one. */
export const testEngines: readonly TestEngine[] = [
  { name: 'sqlite', url: () => 'sqlite::memory:' },
  ...(process.env['MURMUR_TEST_POSTGRES'] === undefined
    ? []
    : [
        {
          name: 'postgres',
          url: () => {
            const url = new URL(process.env['MURMUR_TEST_POSTGRES']!)
            url.searchParams.set('schema', `audit_${randomBytes(6).toString('hex')}`)
            return url.toString()
          },
        },
      ]),
  // A namespace leaves nothing to be removed: it goes with the server.
  ...(['redis', 'redis-cluster'] as const).map((name) => ({ name, url: () => testEngine(name, () => {}).freshUrl() })),
]

export interface AuditFixture extends AsyncDisposable {
  readonly site: Site
  readonly database: Database<Schema>
  readonly world: TestWorld
}

export interface TestWorld extends World {
  /** Moves the wall clock only; timers run on. */
  shiftMs(ms: number): void
}

export type AuditSettings = Partial<SiteConfig['audit']>

/** A site with a database, a bus and a real world whose wall clock can be moved; no services around it. */
export async function openAuditFixture(url: string | Promise<string>, audit: AuditSettings = {}): Promise<AuditFixture> {
  const real = createRealWorld()
  let shiftMs = 0
  const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent }
  const world: TestWorld = {
    ...real,
    log: silent,
    clock: { nowMs: () => real.clock.nowMs() + shiftMs, monotonicMs: () => real.clock.monotonicMs() },
    shiftMs: (ms) => void (shiftMs += ms),
  }
  const database = await openDatabase<Schema>(await url, { world, name: 'dcmanager-test' })
  await database.migrate(migrations)
  const bus = await openBus('in-process:', { world, name: 'test' })
  const site = {
    world,
    bus,
    processId: `test-${randomBytes(4).toString('hex')}`,
    config: {
      varFolder: '/nonexistent',
      services: ['dcmanager'],
      audit: { intervalMs: 30_000, failuresToOffline: 2, requestDeadlineMs: 30_000, concurrency: 100, ...audit },
    },
  } as unknown as Site
  return {
    site,
    database,
    world,
    async [Symbol.asyncDispose]() {
      await bus.close()
      await database.close()
    },
  }
}

/** Another process of the same site, on the same database. */
export const beside = (fixture: AuditFixture, processId: string): Site => ({ ...fixture.site, processId })

/** Inserts subclouds 1…count with their status and audit rows, due now. */
export async function addSubclouds(
  { database, world }: AuditFixture,
  count: number,
  columns: Partial<Omit<SubcloudRow, 'id'>> = {},
): Promise<void> {
  const at = timestamp(world.clock.nowMs())
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  await bulkInsert(
    database,
    'subclouds',
    numbers.map((n) => ({
      name: `edge-${n}`,
      description: null,
      location: null,
      software_version: '26.09',
      management_state: 'managed',
      availability_status: 'online',
      deploy_status: 'complete',
      error_description: 'No errors present',
      region_name: n.toString(16).padStart(32, '0'),
      management_subnet: '198.51.100.0/24',
      management_gateway_ip: '198.51.100.1',
      management_start_ip: `127.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
      management_end_ip: '198.51.100.30',
      systemcontroller_gateway_ip: '203.0.113.1',
      group_id: 1,
      revision: 1,
      created_at: at,
      ...columns,
    })),
  )
  await bulkInsert(
    database,
    'subcloud_audits',
    numbers.map((n) => ({ subcloud_id: n, next_audit_at: at })),
  )
  await bulkInsert(
    database,
    'subcloud_status',
    numbers.flatMap((n) =>
      endpointTypes.map((endpoint_type) => ({ subcloud_id: n, endpoint_type, sync_status: 'unknown', created_at: at })),
    ),
  )
}

/** Waits until a condition holds; fails after a while instead of hanging. */
export async function until(condition: () => Promise<boolean> | boolean, what: string, limitMs = 10_000): Promise<void> {
  const start = performance.now()
  while (!(await condition())) {
    if (performance.now() - start > limitMs) throw new Error(`waited ${limitMs} ms for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
