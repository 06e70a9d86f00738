import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Subcloud } from './lifecycle/cloud.ts'
import { freePrefix } from './testing/addresses.ts'
import { createApi } from './testing/client.ts'
import { openstackClient, openstackCommand, readOpenrc } from './testing/openstack.ts'
import { cleanEnvironment, endAllNaming, isAlive, kill, murmur, murmurProgram, processesNaming, repository } from './testing/processes.ts'
import { filesBelow, filesHolding, modeOf } from './testing/secrets.ts'
import { Hopeless, until } from './testing/until.ts'

/** What a newcomer does: `npm start`, drills, Ctrl-C. All steps share one lab. */

interface LabFile {
  readonly labPid: number | null
  readonly sites: readonly {
    readonly name: string
    readonly role: string
    readonly address: string
    readonly pid: number | null
    readonly openrc: string
  }[]
}

const folder = await mkdtemp(join(tmpdir(), 'lab-conformance-'))
const varFolder = join(folder, 'var')
const prefix = await freePrefix()
const environment = { MURMUR_VAR: varFolder, MURMUR_LAB_PREFIX: prefix.management }
let lab: Lab | undefined

after(async () => {
  lab?.end('SIGKILL')
  await endAllNaming(folder)
  await rm(folder, { recursive: true, force: true })
})

interface Lab {
  readonly said: () => string
  readonly ended: Promise<number | null>
  /** To the whole group, as a terminal does it. */
  end(signal: NodeJS.Signals): void
  /** Until it has said this. */
  says(text: string, timeoutMs: number): Promise<unknown>
}

/** Where packages would have to be installed first, the set-up step is left out: a test does not change what others run on. */
const command = isInstalled() ? [join(repository, 'tools/start.mjs')] : [murmurProgram, 'lab', 'up']

function isInstalled(): boolean {
  const [installed, lock] = ['node_modules/.package-lock.json', 'package-lock.json'].map((name) => statSync(join(repository, name)).mtimeMs)
  return installed! >= lock!
}

/** `npm start` without npm, in a process group of its own. */
function startLab(more: Readonly<Record<string, string>> = {}, args: readonly string[] = []): Lab {
  const child: ChildProcess = spawn('node', [...command, ...args], {
    cwd: repository,
    env: cleanEnvironment({ ...environment, ...more }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  let over = false
  const ended = new Promise<number | null>((done) => child.once('close', done))
  void ended.then(() => (over = true))
  return {
    said: () => said,
    ended,
    end: (signal) => void kill(-child.pid!, signal),
    says: (text, timeoutMs) =>
      until(
        `the lab says "${text}"`,
        () => {
          if (said.includes(text)) return true
          if (over) throw new Hopeless(`the lab ended before it said "${text}":\n${said}`)
          return false
        },
        { timeoutMs, everyMs: 50, explain: async () => said },
      ),
  }
}

const labFile = async (): Promise<LabFile> => JSON.parse(await readFile(join(varFolder, 'lab.json'), 'utf8')) as LabFile
const siteOf = async (name: string) => (await labFile()).sites.find((site) => site.name === name)
const openrcOf = async (file: string): Promise<Record<string, string>> => readOpenrc(await readFile(file, 'utf8'))
const apiOf = (openrc: Readonly<Record<string, string>>, number = 0) =>
  createApi(`http://${prefix.management}.${number}.1:8119`, openrc['OS_AUTH_URL']!, {
    user: openrc['OS_USERNAME']!,
    password: openrc['OS_PASSWORD']!,
    project: openrc['OS_PROJECT_NAME']!,
  })

test('a port that is taken gives one clear line, and nothing stays', { timeout: 900_000 }, async () => {
  const other = await freePrefix()
  const address = `${other.management}.0.1`
  const holder = createServer()
  await new Promise<void>((done) => holder.listen(6385, address, () => done()))
  try {
    const var2 = join(folder, 'taken')
    const taken = startLab({ MURMUR_VAR: var2, MURMUR_LAB_PREFIX: other.management })
    assert.notEqual(await taken.ended, 0)
    const errors = taken
      .said()
      .split('\n')
      .filter((line) => line.startsWith('error: '))
    assert.equal(errors.length, 1, taken.said())
    assert.match(errors[0]!, new RegExp(`${address.replaceAll('.', '\\.')}:6385`))
    assert.doesNotMatch(taken.said(), /\n\s+at /, 'no stack')
    assert.deepEqual(await processesNaming(var2), [])
  } finally {
    await new Promise((done) => holder.close(done))
  }
})

test('npm start; kill -9 of the controller in a bootstrap; npm start completes it', { timeout: 900_000 }, async () => {
  const first = startLab()
  lab = first
  await first.says('bootstrapping — bootstrap: task', 60_000)
  const { pid } = (await siteOf('system-controller'))!
  kill(pid!, 'SIGKILL')
  assert.equal(await first.ended, 1)
  assert.match(first.said(), /error: system-controller has ended\.\n\s+try: npm start/)
  await until('nothing of the lab runs', async () => (await processesNaming(folder)).length === 0, { timeoutMs: 20_000 })
  assert.equal((await labFile()).labPid, null)

  lab = startLab()
  await lab.says('The lab is up.', 150_000)
  const { subclouds } = await apiOf(await openrcOf(join(varFolder, 'openrc'))).get<{ subclouds: Subcloud[] }>('/v1.0/subclouds')
  assert.deepEqual(
    subclouds.map((one) => [one.name, one['management-state'], one['availability-status'], one['deploy-status']]),
    [
      ['subcloud1', 'managed', 'online', 'complete'],
      ['subcloud2', 'managed', 'online', 'complete'],
    ],
  )
  for (const { name, endpoint_sync_status: endpoints } of subclouds)
    assert.deepEqual(
      Object.fromEntries(endpoints.map((entry) => [entry.endpoint_type, entry.sync_status])),
      {
        platform: 'unknown',
        identity: 'unknown',
        'dc-cert': 'in-sync',
        firmware: 'in-sync',
        kubernetes: 'in-sync',
        'kube-rootca': 'in-sync',
        software: 'in-sync',
      },
      name,
    )
})

test('lab.json and the openrc files say what is true, and are private', { timeout: 900_000 }, async () => {
  const { labPid, sites } = await labFile()
  assert.ok(labPid !== null && isAlive(labPid))
  assert.deepEqual(
    sites.map(({ name, role, address }) => [name, role, address]),
    [
      ['system-controller', 'system-controller', `${prefix.management}.0.1`],
      ['subcloud1', 'subcloud', `${prefix.management}.1.2`],
      ['subcloud2', 'subcloud', `${prefix.management}.2.2`],
    ],
  )
  for (const site of sites) {
    assert.ok(site.pid !== null && isAlive(site.pid), site.name)
    assert.equal(await modeOf(site.openrc), 0o600, site.openrc)
    // Every site's own identity takes its own openrc.
    assert.equal((await openrcOf(site.openrc))['OS_AUTH_URL'], `http://${site.address}:5000/v3`)
  }
})

const skip = existsSync(openstackCommand) ? false : `${openstackCommand} is not installed (Debian: python3-openstackclient)`

test("unmodified openstack with the lab's openrc", { timeout: 900_000, skip }, async () => {
  const openrc = await openrcOf(join(varFolder, 'openrc'))
  const admin = openstackClient(openrc)
  const catalog = await admin.json<{ Name: string; Type: string; Endpoints: { region: string; interface: string; url: string }[] }[]>(
    'catalog',
    'list',
  )
  assert.deepEqual(catalog.map(({ Type }) => Type).toSorted(), ['dcmanager', 'identity', 'image', 'platform'])
  const dcmanager = catalog.find(({ Type }) => Type === 'dcmanager')!.Endpoints.find((endpoint) => endpoint.interface === 'public')!
  assert.deepEqual([dcmanager.region, dcmanager.url], ['SystemController', `http://${prefix.management}.0.1:8119/v1.0`])

  const made = await admin.json<{ id: string; secret: string }>('application', 'credential', 'create', '--role', 'admin', 'robot')
  const robot = openstackClient({
    OS_AUTH_URL: openrc['OS_AUTH_URL']!,
    OS_AUTH_TYPE: 'v3applicationcredential',
    OS_APPLICATION_CREDENTIAL_ID: made.id,
    OS_APPLICATION_CREDENTIAL_SECRET: made.secret,
    OS_IDENTITY_API_VERSION: '3',
  })
  const token = await robot.json<{ id: string }>('token', 'issue')
  assert.equal((await apiOf(openrc).send('GET', '/v1.0/subclouds', { headers: { 'x-auth-token': token.id } })).status, 200)
  // A subcloud has an identity service of its own.
  const site = openstackClient(await openrcOf((await siteOf('subcloud1'))!.openrc))
  assert.ok((await site.json<{ id: string }>('token', 'issue')).id.length > 100)
})

test('drills: a site is stopped and started', { timeout: 900_000 }, async () => {
  const stopped = await murmur(['lab', 'stop', 'subcloud2'], environment).done
  assert.deepEqual([stopped.code, stopped.stderr.trim()], [0, 'subcloud2 has stopped.'])
  assert.equal((await siteOf('subcloud2'))!.pid, null)
  await lab!.says('subcloud2 has ended', 10_000)
  const unknown = await murmur(['lab', 'stop', 'subcloud9'], environment).done
  assert.deepEqual([unknown.code, /no site subcloud9/.test(unknown.stderr)], [3, true], unknown.stderr)
  const started = await murmur(['lab', 'start', 'subcloud2'], environment).done
  assert.equal(started.code, 0, started.stderr)
  assert.ok(isAlive((await siteOf('subcloud2'))!.pid!))
})

test('Ctrl-C ends everything; no secret lies in clear outside of the files that hold it', { timeout: 900_000 }, async () => {
  const openrcs = (await labFile()).sites.map((site) => site.openrc)
  lab!.end('SIGINT')
  assert.equal(await lab!.ended, 0)
  assert.match(lab!.said(), /The lab has stopped/)
  assert.deepEqual(await processesNaming(folder), [])
  const { labPid, sites } = await labFile()
  assert.deepEqual([labPid, ...sites.map((site) => site.pid)], [null, null, null, null])

  const passwords = await Promise.all(openrcs.map(async (file) => (await openrcOf(file))['OS_PASSWORD']!))
  const controller = join(varFolder, 'sites/system-controller')
  const read = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()
  const secrets = [
    ...passwords,
    await read(join(varFolder, 'values/sysadmin-password')),
    await read(join(controller, 'secrets/service-password')),
    // A line of a private key is enough of it.
    (await read(join(controller, 'ca/ca.key'))).split('\n')[1]!,
    (await read(join(controller, 'tls/site.key'))).split('\n')[1]!,
  ]
  assert.ok(secrets.every((secret) => secret.length > 10))
  const mayHold = /\/(openrc(-[^/]*)?|sysadmin-password|service-password|admin-password|(site|ca)\.key)$/
  const holders = await filesHolding(varFolder, secrets)
  assert.deepEqual(
    holders.filter((file) => !mayHold.test(file)),
    [],
    'these hold a secret in clear',
  )
  for (const file of holders) assert.equal(await modeOf(file), 0o600, file)
  for (const file of await filesBelow(varFolder)) assert.equal((await modeOf(file)) & 0o022, 0, `${file} can be written by others`)
  for (const secret of secrets) assert.ok(!lab!.said().includes(secret), 'the terminal has seen a secret')
})

test(
  'npm start -- --peer: each controller knows the other, and the group is in-sync on both; again it changes nothing',
  { timeout: 900_000 },
  async () => {
    lab = startLab({}, ['--peer'])
    await lab.says('The lab is up.', 180_000)
    const read = async () => {
      const there = openrcOf((await siteOf('peer-controller'))!.openrc)
      const apis = [apiOf(await openrcOf(join(varFolder, 'openrc'))), apiOf(await there, 200)] as const
      return Promise.all(
        apis.map(async (api) => ({
          peers: (await api.get<{ system_peers: Record<string, unknown>[] }>('/v1.0/system-peers')).system_peers,
          groups: (await api.get<{ subcloud_peer_groups: Record<string, unknown>[] }>('/v1.0/subcloud-peer-groups')).subcloud_peer_groups,
          associations: (await api.get<{ peer_group_associations: Record<string, unknown>[] }>('/v1.0/peer-group-associations'))
            .peer_group_associations,
          members: (await api.get<{ subclouds: Subcloud[] }>('/v1.0/subcloud-peer-groups/lab/subclouds')).subclouds,
        })),
      )
    }
    /** What a second start may not change: heartbeats and audits go on. */
    const lasting = (sites: Awaited<ReturnType<typeof read>>) =>
      sites.map(({ peers, groups, associations, members }) => ({
        peers: peers.map((peer) => [peer['id'], peer['peer-name'], peer['heartbeat-interval'], peer['heartbeat-failure-threshold']]),
        groups: groups.map((group) => [group['id'], group['peer_group_name'], group['group_priority'], group['system_leader_name']]),
        associations: associations.map((one) => [one['id'], one['association-type'], one['sync-status'], one['peer-group-priority']]),
        members: members
          .map((member) => [member.name, member['management-state'], member['deploy-status']].join())
          .toSorted((a, b) => a.localeCompare(b)),
      }))
    const expected = [
      {
        peers: [[1, 'peer-controller', 10, 3]],
        groups: [[1, 'lab', 0, 'system-controller']],
        associations: [[1, 'primary', 'in-sync', 1]],
        members: ['subcloud1', 'subcloud2'].map((name) => `${name},managed,complete`),
      },
      {
        peers: [[1, 'system-controller', 10, 3]],
        groups: [[1, 'lab', 1, 'system-controller']],
        associations: [[1, 'non-primary', 'in-sync', null]],
        members: ['subcloud1', 'subcloud2'].map((name) => `${name},unmanaged,secondary`),
      },
    ]
    assert.deepEqual(lasting(await read()), expected)
    lab.end('SIGINT')
    assert.equal(await lab.ended, 0)

    // A lab that had a peer once keeps it.
    lab = startLab()
    await lab.says('The lab is up.', 180_000)
    assert.doesNotMatch(lab.said(), /added at|joined peer group/)
    assert.deepEqual(lasting(await read()), expected)
    lab.end('SIGINT')
    assert.equal(await lab.ended, 0)
    assert.deepEqual(await processesNaming(folder), [])
  },
)
