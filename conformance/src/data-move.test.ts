import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testEngine } from '@murmuration/data/testing'
import { startRedis } from 'kysely-redis/testing'
import type { Subcloud } from './lifecycle/cloud.ts'
import { freePrefix } from './testing/addresses.ts'
import type { Api } from './testing/client.ts'
import { Lab, servicesOf } from './testing/lab.ts'
import { endAllNaming, murmur } from './testing/processes.ts'
import { filesBelow } from './testing/secrets.ts'
import { until } from './testing/until.ts'

/**
 * A running lab, a controller with a subcloud, moves with all its data: SQLite → PostgreSQL → Redis. It goes on as if nothing had been: what
 * was there is there, what comes next has the next number, the subcloud is audited. And a lab that knows nothing but Redis from its first moment.
 */

const folder = await mkdtemp(join(tmpdir(), 'move-conformance-'))
const prefix = (await freePrefix()).management
const leftovers: (() => Promise<void>)[] = []

after(async () => {
  await endAllNaming(folder)
  for (const remove of leftovers.reverse()) await remove()
  await rm(folder, { recursive: true, force: true })
})

/** What audits alone find out. */
const audited = ['firmware', 'kubernetes', 'kube-rootca', 'software']

/** The subcloud is where it was, and is audited: let go and taken back, it is in-sync again by nothing but fresh answers of its own. */
async function manages(fleet: Api): Promise<void> {
  const seen = async (): Promise<Subcloud> => (await fleet.get<{ subclouds: Subcloud[] }>('/v1.0/subclouds')).subclouds[0]!
  const statuses = ({ endpoint_sync_status: all }: Subcloud): string[] =>
    all.filter((one) => audited.includes(one.endpoint_type)).map((one) => one.sync_status)
  const { name, 'management-state': management, 'availability-status': availability, 'deploy-status': deploy } = await seen()
  assert.deepEqual([name, management, availability, deploy], ['subcloud1', 'managed', 'online', 'complete'])
  for (const [state, status] of [
    ['unmanaged', 'unknown'],
    ['managed', 'in-sync'],
  ] as const) {
    // prettier-ignore
    const changed = await fleet.send('PATCH', '/v1.0/subclouds/subcloud1', { form: { 'management-state': state } })
    assert.equal(changed.status, 200, changed.text)
    await until(`it is ${state} and ${status}`, async () => statuses(await seen()).every((each) => each === status), { timeoutMs: 60_000 })
  }
}

async function add(api: Api, path: string, json: unknown): Promise<void> {
  const answer = await api.send('POST', path, { json })
  assert.ok(answer.status === 200 || answer.status === 201, `POST ${path}: ${answer.status} ${answer.text}`)
}

const redis = await startRedis(['--appendonly', 'yes'])
leftovers.push(() => redis.stop())

test('a running lab moves from SQLite to PostgreSQL to Redis, and goes on each time', { timeout: 900_000 }, async () => {
  const postgres = new URL(await testEngine('postgres', (remove) => void leftovers.push(remove)).freshUrl())
  postgres.searchParams.delete('schema')
  const places = { postgres: `${postgres.href}?schema=move${process.pid}`, redis: `${redis.url}?namespace=move` }
  const added: string[] = []

  /** Adds one of each, and finds all that were added before, in their order and with their numbers. */
  const goesOn = async (name: string): Promise<void> => {
    const { fleet, images, identity } = await lab.apis()
    await manages(fleet)
    await add(fleet, '/v1.0/subcloud-groups', { name, description: name, update_apply_type: 'parallel', max_parallel_subclouds: 2 })
    await add(images, '/v2/images', { name, tags: ['base', name], os_distro: 'debian' })
    await add(identity, '/v3/projects', { project: { name } })
    added.push(name)
    const { subcloud_groups: found } = await fleet.get<{ subcloud_groups: { id: number; name: string }[] }>('/v1.0/subcloud-groups')
    assert.deepEqual(found.map((group) => [group.id, group.name]), [[1, 'Default'], ...added.map((each, at) => [at + 2, each])]) // prettier-ignore
    const listed = await images.get<{ images: { name: string; tags: string[]; os_distro: string }[] }>(
      '/v2/images?sort=created_at:asc&os_distro=debian&tag=base',
    )
    assert.deepEqual(listed.images.map((image) => [image.name, image.tags.toSorted(), image.os_distro]), added.map((each) => [each, ['base', each].sort(), 'debian'])) // prettier-ignore
    const { projects } = await identity.get<{ projects: { name: string }[] }>('/v3/projects')
    assert.deepEqual(added.filter((each) => !projects.some((project) => project.name === each)), []) // prettier-ignore
    // The subcloud's own accounts came along.
    const site = await lab.apis('openrc-subcloud1')
    await add(site.identity, '/v3/projects', { project: { name } })
    assert.equal(
      (await site.identity.get<{ projects: { name: string }[] }>('/v3/projects')).projects.filter((one) => added.includes(one.name)).length,
      added.length,
    )
  }

  const move = async (to: string): Promise<void> => {
    const before = await lab.sites()
    const copied = await lab.murmur('db', 'copy', '--lab', '--to', to, '-f', 'json')
    assert.equal(copied.code, 0, copied.stderr)
    const tables = JSON.parse(copied.stdout) as { site: string; service: string; digest: string }[]
    for (const { name, role } of before)
      assert.deepEqual(
        [...new Set(tables.filter(({ site }) => site === name).map(({ service }) => service))].sort(),
        servicesOf(role),
        name,
      )
    assert.ok(tables.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest)))
  }

  const lab = new Lab(join(folder, 'moved'), prefix)
  await lab.start()
  await goesOn('on-sqlite')
  const [controller] = await lab.sites()
  const alone = await lab.murmur('db', 'copy', '--site', controller!.site, '--to', `${redis.url}?namespace={service}`)
  assert.equal(alone.code, 4)
  assert.match(alone.stderr, /runs \(pid \d+\)/)
  const elsewhere = await murmur(['lab', 'up'], { ...lab.environment, DATA_URL: places.redis }).done
  assert.equal(elsewhere.code, 4, elsewhere.stderr)
  assert.match(elsewhere.stderr, /system-controller has its data in sqlite:.*\n.*murmur db copy --lab --to 'redis:/)
  await move(places.postgres)
  await goesOn('on-postgres')
  await move(places.redis)
  // The old files are gone for good: nobody may have them open still.
  for (const file of (await filesBelow(folder)).filter((each) => each.endsWith('.db'))) await rm(file)
  await goesOn('on-redis')
  await lab.isWhollyIn('redis')
  await lab.hasNoSqlite()
  await lab.end()
})

test('DATA_URL=redis://… npm start: all state of all services is in Redis from the first moment', { timeout: 900_000 }, async () => {
  const lab = new Lab(join(folder, 'redis'), prefix, redis.url)
  await lab.start()
  await manages((await lab.apis()).fleet)
  await lab.isWhollyIn('redis')
  await lab.hasNoSqlite()
  await lab.end()
})
