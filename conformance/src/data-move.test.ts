import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testEngine } from '@murmuration/data/testing'
import { startRedis } from 'kysely-redis/testing'
import { freePrefix } from './testing/addresses.ts'
import { createApi, type Api } from './testing/client.ts'
import { readOpenrc } from './testing/openstack.ts'
import { cleanEnvironment, kill, murmur, murmurProgram, startLogged, type Started } from './testing/processes.ts'
import { filesBelow } from './testing/secrets.ts'
import { until } from './testing/until.ts'

/**
 * The data of a system controller at work move: SQLite → PostgreSQL → Redis. It is stopped, copied, started with the new URL, and goes on
 * as if nothing had been: what was there is there, and what comes next has the next number.
 */

const folder = await mkdtemp(join(tmpdir(), 'move-conformance-'))
const address = `${(await freePrefix()).management}.0.1`
const siteFile = join(folder, 'site.yaml')
const leftovers: (() => Promise<void>)[] = []
let running: Started | undefined

after(async () => {
  if (running) kill(running.pid, 'SIGKILL')
  for (const remove of leftovers.reverse()) await remove()
  await rm(folder, { recursive: true, force: true })
})

const writeSite = (dataUrl?: string): Promise<void> =>
  writeFile(
    siteFile,
    `name: controller\nrole: system-controller\nvarFolder: ${folder}\naddress: ${address}\n${dataUrl === undefined ? '' : `dataUrl: ${dataUrl}\n`}`,
  )

async function start(): Promise<{ readonly groups: Api; readonly images: Api; readonly identity: Api }> {
  const logFile = join(folder, 'said.log')
  running = await startLogged([murmurProgram, 'serve', '--site', siteFile], cleanEnvironment(), logFile)
  const said = async (): Promise<string> => (await readFile(logFile, 'utf8')).slice(-3_000)
  const openrc = await until('the openrc', async () => await readFile(join(folder, 'openrc'), 'utf8').catch(() => undefined), { explain: said, timeoutMs: 120_000 }) // prettier-ignore
  const { OS_AUTH_URL = '', OS_USERNAME = '', OS_PASSWORD = '', OS_PROJECT_NAME = '' } = readOpenrc(openrc)
  const apiAt = (port: number): Api =>
    createApi(`http://${address}:${port}`, OS_AUTH_URL, { user: OS_USERNAME, password: OS_PASSWORD, project: OS_PROJECT_NAME })
  const apis = { groups: apiAt(8119), images: apiAt(9292), identity: apiAt(5000) }
  const up = (): Promise<boolean> => Promise.all([apis.groups.get('/v1.0/subcloud-groups'), apis.images.get('/v2/images'), apis.identity.get('/v3/projects')]).then(() => true) // prettier-ignore
  await until('every service to answer', up, { explain: said, timeoutMs: 120_000 })
  return apis
}

async function stop(): Promise<void> {
  kill(running!.pid, 'SIGTERM')
  assert.equal(await running!.ended, 0)
  running = undefined
}

async function add(api: Api, path: string, json: unknown): Promise<void> {
  const answer = await api.send('POST', path, { json })
  assert.ok(answer.status === 200 || answer.status === 201, `POST ${path}: ${answer.status} ${answer.text}`)
}

interface Group {
  readonly id: number
  readonly name: string
}
interface Image {
  readonly id: string
  readonly name: string
  readonly tags: readonly string[]
  readonly os_distro: string
}

async function move(to: string): Promise<void> {
  const copied = await murmur(['db', 'copy', '--site', siteFile, '--to', to, '-f', 'json'], {}).done
  assert.equal(copied.code, 0, copied.stderr)
  assert.match(copied.stderr, /dataUrl/)
  const tables = JSON.parse(copied.stdout) as { service: string; table: string; rows: number; digest: string }[]
  assert.deepEqual([...new Set(tables.map(({ service }) => service))].sort(), ['dcmanager', 'identity', 'image', 'platform'])
  assert.ok(tables.every(({ digest }) => /^[0-9a-f]{64}$/.test(digest)))
  await writeSite(to)
}

test('the data of a controller move from SQLite to PostgreSQL to Redis, and it goes on each time', { timeout: 900_000 }, async () => {
  const redis = await startRedis(['--appendonly', 'yes'])
  leftovers.push(() => redis.stop())
  const postgres = new URL(await testEngine('postgres', (remove) => void leftovers.push(remove)).freshUrl())
  postgres.searchParams.delete('schema')
  const added: string[] = []

  /** Adds one of each, and finds all that were added before, in their order and with their numbers. */
  const goesOn = async (name: string): Promise<void> => {
    const { groups, images, identity } = await start()
    await add(groups, '/v1.0/subcloud-groups', { name, description: name, update_apply_type: 'parallel', max_parallel_subclouds: 2 })
    await add(images, '/v2/images', { name, tags: ['base', name], os_distro: 'debian' })
    await add(identity, '/v3/projects', { project: { name } })
    added.push(name)
    const { 'subcloud_groups': found } = await groups.get<{ subcloud_groups: Group[] }>('/v1.0/subcloud-groups') // prettier-ignore
    assert.deepEqual(found.map((group) => [group.id, group.name]), [[1, 'Default'], ...added.map((each, at) => [at + 2, each])]) // prettier-ignore
    const listed = await images.get<{ images: Image[] }>('/v2/images?sort=created_at:asc&os_distro=debian&tag=base')
    assert.deepEqual(listed.images.map((image) => [image.name, image.tags.toSorted(), image.os_distro]), added.map((each) => [each, ['base', each].sort(), 'debian'])) // prettier-ignore
    const { projects } = await identity.get<{ projects: { name: string }[] }>('/v3/projects')
    assert.deepEqual(added.filter((each) => !projects.some((project) => project.name === each)), []) // prettier-ignore
  }

  await writeSite()
  await goesOn('on-sqlite')
  const refused = await murmur(['db', 'copy', '--site', siteFile, '--to', `${redis.url}?namespace={service}`], {}).done
  assert.notEqual(refused.code, 0)
  assert.match(refused.stderr, /runs \(pid \d+\)/)
  await stop()
  await move(`${postgres.href}?schema=move${process.pid}_{service}`)
  await goesOn('on-postgres')
  await stop()
  await move(`${redis.url}?namespace=move-{service}`)
  // The old places are gone for good: nobody may have them open still.
  for (const file of (await filesBelow(folder)).filter((each) => each.endsWith('.db'))) await rm(file)
  await goesOn('on-redis')
  const checked = await murmur(['db', 'check', '--site', siteFile, '-f', 'json'], {}).done
  assert.equal(checked.code, 0, checked.stdout + checked.stderr)
  assert.ok((JSON.parse(checked.stdout) as { engine: string; problems: string }[]).every((each) => each.engine === 'redis' && each.problems === 'none')) // prettier-ignore
  await stop()
  // All state of all services is in Redis.
  assert.deepEqual((await filesBelow(folder)).filter((each) => /\.db|sqlite/.test(each)), []) // prettier-ignore
})
