import { randomUUID } from 'node:crypto'
import { cpus, loadavg } from 'node:os'
import { bulkInsert, openDatabase, timestamp, type Database, type Migrations } from '@murmuration/data'
import { startPostgres } from '@murmuration/data/testing'
import { createRealWorld, type World } from '@murmuration/world'
import { command, startRedis } from 'kysely-redis/testing'
import { delayTo, type Delay } from './delay.ts'
import { median, ms, percent } from './results.ts'

const images = 10_000
const page = 100
/** A service has run for long: what is measured is not the compiler of the JavaScript. */
const warmUpMs = { 0: 3_000, 10: 200, 50: 200 } as const
const rounds = { 0: 200, 10: 40, 50: 12 } as const

interface Tables {
  images: { id: string; name: string; owner: string; status: string; visibility: string; deleted: number; size: number; created_at: string }
  image_properties: { image_id: string; name: string; value: string }
  image_tags: { image_id: string; value: string }
}

const migrations: Migrations = {
  '001-images': async (db, c) => {
    await db.schema
      .createTable('images')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('name', c.text, (column) => column.notNull())
      .addColumn('owner', c.text, (column) => column.notNull())
      .addColumn('status', c.text, (column) => column.notNull())
      .addColumn('visibility', c.text, (column) => column.notNull())
      .addColumn('deleted', c.flag, (column) => column.notNull())
      .addColumn('size', c.bigint, (column) => column.notNull())
      .addColumn('created_at', c.timestamp, (column) => column.notNull())
      .execute()
    await db.schema.createIndex('images_listed').on('images').columns(['deleted', 'visibility', 'created_at', 'id']).execute()
    await db.schema.createIndex('images_owner').on('images').columns(['owner', 'created_at']).execute()
    for (const [table, ...columns] of [
      ['image_properties', 'name', 'value'],
      ['image_tags', 'value'],
    ] as const) {
      let create = db.schema
        .createTable(table)
        .addColumn('image_id', c.text, (column) => column.notNull().references('images.id').onDelete('cascade'))
      for (const column of columns) create = create.addColumn(column, c.text, (built) => built.notNull())
      await create.addPrimaryKeyConstraint(`${table}_key`, ['image_id', columns[0]] as never).execute()
    }
  },
}

const imageOf = (n: number): Tables['images'] => ({
  id: `${String(n).padStart(8, '0')}-0000-4000-8000-000000000000`,
  name: `image ${n % 997}`,
  owner: `project-${n % 100}`,
  status: 'active',
  visibility: n % 4 === 0 ? 'public' : 'private',
  deleted: n % 10 === 9 ? 1 : 0,
  size: n * 1_000,
  created_at: timestamp(1_700_000_000_000 + n * 1_000),
})
const propertiesOf = (id: string, n: number): Tables['image_properties'][] => [
  { image_id: id, name: 'os_distro', value: n % 2 === 0 ? 'debian' : 'fedora' },
  { image_id: id, name: 'hw_disk_bus', value: 'virtio' },
  { image_id: id, name: 'build', value: String(n) },
]
const tagsOf = (id: string, n: number): Tables['image_tags'][] => [
  { image_id: id, value: 'base' },
  { image_id: id, value: `team-${n % 10}` },
]

async function fill(db: Database<Tables>): Promise<void> {
  await db.migrate(migrations)
  const all = Array.from({ length: images }, (_, n) => imageOf(n))
  await bulkInsert(db, 'images', all)
  await bulkInsert(db, 'image_properties', all.flatMap((image, n) => propertiesOf(image.id, n))) // prettier-ignore
  await bulkInsert(db, 'image_tags', all.flatMap((image, n) => tagsOf(image.id, n))) // prettier-ignore
}

const some = (): number => Math.floor(Math.random() * images)

/** What an image service asks of its database. */
const operations: Readonly<Record<string, (db: Database<Tables>) => Promise<unknown>>> = {
  'get by id': (db) => db.query.selectFrom('images').selectAll().where('id', '=', imageOf(some()).id).executeTakeFirst(),
  [`list of ${page} filtered by property and tag, sorted`]: async (db) => {
    const found = await db.query
      .selectFrom('images')
      .selectAll()
      .where('deleted', '=', 0)
      .where('visibility', '=', 'public')
      .where((eb) =>
        eb.exists(
          eb
            .selectFrom('image_properties as p')
            .select('p.image_id')
            .whereRef('p.image_id', '=', 'images.id')
            .where('p.name', '=', 'os_distro')
            .where('p.value', '=', 'debian'),
        ),
      )
      .where((eb) =>
        eb.exists(
          eb.selectFrom('image_tags as t').select('t.image_id').whereRef('t.image_id', '=', 'images.id').where('t.value', '=', 'base'),
        ),
      )
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(page)
      .execute()
    const ids = found.map((image) => image.id)
    await Promise.all([
      db.query.selectFrom('image_properties').selectAll().where('image_id', 'in', ids).execute(),
      db.query.selectFrom('image_tags').selectAll().where('image_id', 'in', ids).execute(),
    ])
    if (ids.length !== page) throw new Error(`${ids.length} of ${page}`)
  },
  'create with 3 properties and 2 tags': (db) =>
    db.transaction(async (tx) => {
      const id = randomUUID()
      await tx.query.insertInto('images').values({ ...imageOf(some()), id }).execute() // prettier-ignore
      await tx.query.insertInto('image_properties').values(propertiesOf(id, 1)).execute()
      await tx.query.insertInto('image_tags').values(tagsOf(id, 1)).execute()
    }),
  'update by id': (db) => db.query.updateTable('images').set({ name: `renamed ${some()}` }).where('id', '=', imageOf(some()).id).execute(), // prettier-ignore
  '3-table join of one owner': (db) =>
    db.query
      .selectFrom('images as i')
      .innerJoin('image_properties as p', 'p.image_id', 'i.id')
      .innerJoin('image_tags as t', 't.image_id', 'i.id')
      .select(['i.id', 'p.value', 't.value as tag'])
      .where('i.owner', '=', `project-${some() % 100}`)
      .where('p.name', '=', 'build')
      .execute(),
}

async function timesOf(work: () => Promise<unknown>, count: number): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < count; round++) {
    const started = performance.now()
    await work()
    times.push(performance.now() - started)
  }
  return times
}

const at = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN
const spread = (values: readonly number[]): string => `${ms(median(values))} (${ms(at(values, 0.1))}–${ms(at(values, 0.95))})`

const hot = (): string => imageOf(Math.floor(Math.random() * 100)).id
const readHot = (db: Database<Tables>): Promise<unknown> =>
  db.query.selectFrom('images').selectAll().where('id', '=', hot()).executeTakeFirst()

/** A hundred hot rows, read at random while one in a hundred operations changes one: how many reads need no server, and what is the gain? */
async function nearCache(
  world: World,
  url: string,
  port: number,
  postgres: Database<Tables>,
  lag: (ms: number) => void,
): Promise<string[]> {
  const db = await openDatabase<Tables>(`${url}&near-cache=10000`, { world, name: 'bench' })
  const calls = async (): Promise<number> =>
    Number(/cmdstat_fcall:calls=(\d+)/.exec(String(await command(port, ['INFO', 'commandstats'])))?.[1])
  const lines: string[] = []
  for (const oneWayMs of [0, 50] as const) {
    await timesOf(() => readHot(db), 500)
    lag(oneWayMs)
    const writes = oneWayMs === 0 ? 20 : 5
    const before = await calls()
    const times: number[] = []
    for (let write = 0; write < writes; write++) {
      times.push(...(await timesOf(() => readHot(db), 99)))
      await db.query.updateTable('images').set({ name: `hot ${write}` }).where('id', '=', hot()).execute() // prettier-ignore
    }
    const asked = (await calls()) - before - writes
    const others = await timesOf(() => readHot(postgres), rounds[oneWayMs])
    lag(0)
    const mean = times.reduce((sum, each) => sum + each, 0) / times.length
    lines.push(
      `${oneWayMs} ms one way, near cache: ${times.length} gets of 100 hot rows, every hundredth operation a write: ${percent(1 - asked / times.length)} answered without the server, p50 ${ms(median(times))}, mean ${ms(mean)}; PostgreSQL ${spread(others)}; ratio of the mean to its p50 ${(mean / median(others)).toFixed(2)}`,
    )
  }
  await db.close()
  return lines
}

/**
 * On a line of 50 ms nobody answers sooner than the line: where PostgreSQL takes one trip there and back, level with it is all that there is
 * to win.
 */
function verdictOf(oneWayMs: number, ratio: number, postgresTimes: readonly number[]): string {
  if (oneWayMs === 10) return ''
  const goal = oneWayMs === 0 ? 1.2 : 1
  if (ratio <= goal) return `; goal ≤ ${goal}: met`
  const oneTrip = oneWayMs > 0 && at(postgresTimes, 0.1) < 3 * oneWayMs
  return `; goal ≤ ${goal}: ${oneTrip && ratio <= 1.02 ? 'level, one trip each' : 'missed'}`
}

/** Redis against PostgreSQL, the same statements, one connection's worth of work at a time, over lines of 0, 10 and 50 ms one way. */
export async function engines(): Promise<readonly string[]> {
  const world = createRealWorld()
  const [redis, postgres] = [await startRedis(), await startPostgres()]
  const lines = [
    `${images} images with 3 properties and 2 tags each; neither server syncs to disk; p50 (p10–p95), one at a time, through the same TCP proxy; load of the machine ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores at the start`,
  ]
  const delays: Delay[] = []
  try {
    const open = async (url: string, port: number): Promise<{ db: Database<Tables>; delay: Delay }> => {
      const delay = await delayTo(port)
      delays.push(delay)
      const db = await openDatabase<Tables>(url.replace(`:${port}`, `:${delay.port}`), { world, name: 'bench' })
      await fill(db)
      return { db, delay }
    }
    const r = await open(`${redis.url}?namespace=bench&persistence=none`, redis.port)
    const p = await open(postgres.url, Number(new URL(postgres.url).port))
    for (const oneWayMs of [0, 10, 50] as const) {
      for (const [name, operation] of Object.entries(operations)) {
        for (const db of [r.db, p.db])
          for (const until = performance.now() + warmUpMs[oneWayMs]; performance.now() < until;) await operation(db)
        r.delay.oneWayMs = p.delay.oneWayMs = oneWayMs
        const redisTimes: number[] = []
        const postgresTimes: number[] = []
        // In turns, so that a busy moment of the machine meets both.
        for (let turn = 0; turn < 4; turn++) {
          redisTimes.push(...(await timesOf(() => operation(r.db), rounds[oneWayMs] / 4)))
          postgresTimes.push(...(await timesOf(() => operation(p.db), rounds[oneWayMs] / 4)))
        }
        r.delay.oneWayMs = p.delay.oneWayMs = 0
        const ratio = median(redisTimes) / median(postgresTimes)
        const trips = oneWayMs === 0 ? '' : `, at best ${(at(redisTimes, 0) / (2 * oneWayMs)).toFixed(1)} times the line there and back`
        lines.push(
          `${oneWayMs} ms one way, ${name}: Redis ${spread(redisTimes)}${trips}; PostgreSQL ${spread(postgresTimes)}; ratio ${ratio.toFixed(2)}, of the fastest tenth ${(at(redisTimes, 0.1) / at(postgresTimes, 0.1)).toFixed(2)}${verdictOf(oneWayMs, ratio, postgresTimes)}`,
        )
      }
    }
    const lag = (oneWayMs: number): void => void (r.delay.oneWayMs = p.delay.oneWayMs = oneWayMs)
    const near = `${redis.url}?namespace=bench&persistence=none`.replace(`:${redis.port}`, `:${r.delay.port}`)
    lines.push(...(await nearCache(world, near, redis.port, p.db, lag)))
    await r.db.close()
    await p.db.close()
  } finally {
    for (const delay of delays) delay.close()
    await redis.stop()
    await postgres.stop()
  }
  return lines
}
