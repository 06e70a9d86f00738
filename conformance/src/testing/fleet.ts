import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '@murmuration/data/testing'
import { startNats } from '@murmuration/rpc/testing'
import pg from 'pg'
import { parse, stringify } from 'yaml'
import { freePrefix } from './addresses.ts'
import { startBalancer } from './balancer.ts'
import { createApi, exchange, type Api } from './client.ts'
import { readOpenrc } from './openstack.ts'
import { cleanEnvironment, endAllNaming, isAlive, kill, murmurProgram, repository, startLogged, type Started } from './processes.ts'
import { Hopeless, tails, until } from './until.ts'

/** How a system controller may be cut into processes; the suites are the same for both. */
export type Shape = 'embedded' | 'scaled'

/** What one process of a controller is. */
interface Part {
  readonly name: string
  readonly roles: string
  /** Where its API listens; absent for workers. */
  readonly listen?: string
}

export interface SubcloudSite {
  readonly folder: string
  readonly address: string
  /** Absent while it does not run. */
  readonly pid: number | undefined
}

export interface Fleet {
  readonly shape: Shape
  readonly name: string
  readonly folder: string
  readonly varFolder: string
  readonly prefix: { readonly management: string; readonly oam: string }
  readonly address: string
  readonly siteFile: string
  readonly openrc: Readonly<Record<string, string>>
  readonly authUrl: string
  readonly dcmanager: Api
  readonly parts: readonly Part[]
  /** As the kernel's out-of-memory killer would. Resolves when it is gone. */
  kill(name: string): Promise<void>
  /** Starts a part that was killed; resolves when it is ready. */
  start(name: string): Promise<void>
  /** Stops a part's clock and all: it holds its connections and answers nothing until it is let go on. */
  pause(name: string): void
  goOn(name: string): void
  /** The part that runs this process, or whose child it is. */
  partOf(pid: number): Promise<string | undefined>
  /** Makes playbooks for a subcloud wait at their beginning until it is released. */
  hold(subcloud: string): Promise<void>
  release(subcloud: string): Promise<void>
  /** A deployed subcloud as it lies on this machine. */
  site(name: string): Promise<SubcloudSite>
  killSite(name: string): Promise<void>
  startSite(name: string): Promise<void>
  /** Waits, and shows the ends of the controller's logs when it was in vain. */
  until<T>(what: string, probe: () => Promise<T | undefined | false>, timeoutMs?: number): Promise<T>
  /** Stops the parts as an operator would; resolves with what each ended with. */
  stopGracefully(): Promise<Record<string, number | NodeJS.Signals>>
  /** Ends all that was started, and removes it. Safe after any failure. */
  end(): Promise<void>
}

export interface FleetOptions {
  readonly auditIntervalMs?: number
  /** Further members of the site file. */
  readonly site?: Readonly<Record<string, unknown>>
  /** Another controller on the ground of this one: the same addresses, hosts of subclouds, playbooks and holds. It ends with its own `end`. */
  readonly beside?: Fleet
  /** Which of those it is. Default the peer. */
  readonly as?: 'peer' | 'third'
}

/** The controllers of one ground: their names, and the third numbers of their addresses, which no subcloud has. */
const first = { name: 'system-controller', n: 0, folder: 'controller' } as const
const others = {
  peer: { name: 'peer-controller', n: 200, folder: 'peer-controller' },
  third: { name: 'third-controller', n: 210, folder: 'third-controller' },
} as const

/** `management` are the first three numbers of the controller's network. */
const partsOf = (shape: Shape, management: string): readonly Part[] =>
  shape === 'embedded'
    ? [{ name: 'murmur', roles: 'all', listen: `${management}.1` }]
    : [
        ...[1, 2].map((n) => ({ name: `api-${n}`, roles: 'api', listen: `${management}.${10 + n}` })),
        ...[1, 2].map((n) => ({ name: `manager-${n}`, roles: 'manager' })),
        ...[1, 2].map((n) => ({ name: `audit-${n}`, roles: 'audit,state' })),
      ]

/** Set, every wait tells how long it took: where a suite's time goes. */
const traced = process.env['MURMUR_TEST_TRACE'] !== undefined

const balancedPorts = [5000, 5001, 6385, 6386, 8119]

/** Starts a system controller of a shape, in a folder and at addresses of its own, with the shipped playbooks. */
export async function startFleet(shape: Shape, options: FleetOptions = {}): Promise<Fleet> {
  const folder = options.beside?.folder ?? (await mkdtemp(join(tmpdir(), `fleet-${shape}-`)))
  const leftovers: (() => Promise<unknown>)[] =
    options.beside === undefined ? [() => rm(folder, { recursive: true, force: true }), () => endAllNaming(folder)] : []
  const end = async (): Promise<void> => {
    for (const remove of leftovers.splice(0).reverse()) await remove()
  }
  try {
    return await build(shape, folder, options, leftovers, end)
  } catch (error) {
    await end()
    throw error
  }
}

async function build(
  shape: Shape,
  folder: string,
  options: FleetOptions,
  leftovers: (() => Promise<unknown>)[],
  end: () => Promise<void>,
): Promise<Fleet> {
  const controller = options.beside === undefined ? first : others[options.as ?? 'peer']
  const prefix = options.beside?.prefix ?? (await freePrefix())
  const [management, oam] = [`${prefix.management}.${controller.n}`, `${prefix.oam}.${controller.n}`]
  const address = `${management}.1`
  const varFolder = join(folder, controller.folder)
  const siteFile = join(varFolder, 'site.yaml')
  const sitesFolder = join(folder, 'sites')
  const holdFolder = join(folder, 'hold')
  await mkdir(holdFolder, { recursive: true })
  await mkdir(varFolder, { recursive: true })
  await writeFile(
    siteFile,
    stringify({
      name: controller.name,
      role: 'system-controller',
      region: 'RegionOne',
      softwareVersion: '26.09',
      varFolder,
      address,
      networks: {
        management: {
          subnet: `${management}.0/24`,
          start: address,
          end: `${management}.100`,
          gateway: `${management}.254`,
          floating: address,
        },
        oam: { subnet: `${oam}.0/24`, gateway: `${oam}.254`, floating: `${oam}.1` },
      },
      playbooksFolder: options.beside === undefined ? await playbooksThatHold(folder, holdFolder) : join(folder, 'playbooks'),
      playbooks: { connection: 'local', sitesFolder },
      audit: { intervalMs: options.auditIntervalMs ?? 2_000, failuresToOffline: 2, requestDeadlineMs: 10_000 },
      ...(shape === 'scaled' ? await servers(leftovers) : {}),
      ...options.site,
    }),
  )
  const parts = partsOf(shape, management)
  if (shape === 'scaled') {
    const backends = parts.flatMap(({ listen }) => (listen === undefined ? [] : [listen]))
    const balancer = await startBalancer(address, balancedPorts, backends)
    leftovers.push(() => balancer.close())
  }

  const logOf = (name: string): string => join(varFolder, 'log', `${name}.log`)
  const explain = (): Promise<string> => tails(parts.map(({ name }) => logOf(name)))
  const running = new Map<string, Started>()
  const partNamed = (name: string): Part => {
    const part = parts.find((one) => one.name === name)
    if (part === undefined) throw new Error(`there is no part ${name}`)
    return part
  }

  async function start(name: string): Promise<void> {
    const part = partNamed(name)
    const started = await startLogged(
      [murmurProgram, 'serve', '--site', siteFile, '--role', part.roles, '--process-name', name],
      cleanEnvironment(part.listen === undefined ? {} : { MURMUR_LISTEN_ADDRESS: part.listen }),
      logOf(name),
    )
    running.set(name, started)
    let over: number | NodeJS.Signals | undefined
    void started.ended.then((how) => (over = how))
    await until(
      `${name} is ready`,
      async () => {
        if (over !== undefined) throw new Hopeless(`${name} ended with ${over} while it started\n${await explain()}`)
        const file = JSON.parse(await readFile(join(varFolder, `${name}.pid`), 'utf8')) as { pid: number }
        if (file.pid !== started.pid) return false
        return part.listen === undefined || (await exchange({ url: `http://${part.listen}:8119/healthz` })).status === 200
      },
      { timeoutMs: 60_000, everyMs: 50, explain },
    )
  }

  await Promise.all(parts.map(({ name }) => start(name)))
  const openrc = readOpenrc(await readFile(join(varFolder, 'openrc'), 'utf8'))
  const authUrl = openrc['OS_AUTH_URL']!
  const credentials = { user: openrc['OS_USERNAME']!, password: openrc['OS_PASSWORD']!, project: openrc['OS_PROJECT_NAME']! }
  const dcmanager = createApi(`http://${address}:8119`, authUrl, credentials)

  // By region: the site's own name is the one that it was deployed under.
  async function site(name: string): Promise<SubcloudSite> {
    const { 'region-name': region } = await dcmanager.get<{ 'region-name': string }>(`/v1.0/subclouds/${name}`)
    const siteFolder = join(sitesFolder, region)
    const config = parse(await readFile(join(siteFolder, 'site.yaml'), 'utf8')) as { address: string }
    const record = await readFile(join(siteFolder, 'var/murmur.pid'), 'utf8').catch(() => undefined)
    const pid = record === undefined ? undefined : (JSON.parse(record) as { pid: number }).pid
    return { folder: siteFolder, address: config.address, pid: pid !== undefined && isAlive(pid) ? pid : undefined }
  }

  leftovers.push(async () => {
    for (const started of running.values()) kill(started.pid, 'SIGKILL')
    await Promise.all([...running.values()].map((started) => started.ended))
  })
  const startedPart = (name: string): Started => {
    const started = running.get(name)
    if (started === undefined) throw new Error(`${name} was not started`)
    return started
  }

  return {
    shape,
    name: controller.name,
    folder,
    varFolder,
    prefix,
    address,
    siteFile,
    openrc,
    authUrl,
    dcmanager,
    parts,
    start,
    site,
    end,
    async kill(name) {
      const started = startedPart(name)
      kill(started.pid, 'SIGKILL')
      await started.ended
    },
    pause: (name) => void kill(startedPart(name).pid, 'SIGSTOP'),
    goOn: (name) => void kill(startedPart(name).pid, 'SIGCONT'),
    async partOf(pid) {
      for (let at: number | undefined = pid; at !== undefined && at > 1; at = await parentOf(at)) {
        for (const [name, started] of running) if (started.pid === at) return name
      }
      return undefined
    },
    hold: (subcloud) => writeFile(join(holdFolder, subcloud), ''),
    release: (subcloud) => rm(join(holdFolder, subcloud), { force: true }),
    async killSite(name) {
      const { pid } = await site(name)
      if (pid === undefined) throw new Error(`${name} does not run`)
      kill(pid, 'SIGKILL')
      await until(`${name} is gone`, async () => (await site(name)).pid === undefined, { timeoutMs: 5_000, everyMs: 20 })
    },
    async startSite(name) {
      const { folder: siteFolder } = await site(name)
      const started = await startLogged(
        [murmurProgram, 'serve', '--site', join(siteFolder, 'site.yaml'), '--detach'],
        cleanEnvironment(),
        join(siteFolder, 'start.log'),
      )
      const how = await started.ended
      if (how !== 0) throw new Error(`${name} did not start: ${how}\n${await tails([join(siteFolder, 'start.log')])}`)
    },
    async until(what, probe, timeoutMs = 60_000) {
      const startedMs = performance.now()
      const found = await until(what, probe, { timeoutMs, explain })
      if (traced) process.stdout.write(`${((performance.now() - startedMs) / 1000).toFixed(1)} s until ${what}\n`)
      return found
    },
    async stopGracefully() {
      for (const started of running.values()) kill(started.pid, 'SIGTERM')
      return Object.fromEntries(await Promise.all([...running].map(async ([name, started]) => [name, await started.ended] as const)))
    },
  }
}

async function parentOf(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The command's name stands in parentheses and may hold anything.
  return text === undefined ? undefined : Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
}

/** Playbooks that a test may hold at their beginning. */
const held = [
  'bootstrap.yml',
  'create_subcloud_backup.yml',
  'delete_subcloud_backup.yml',
  'restore_subcloud_backup.yml',
  'rehome_subcloud.yml',
]

/** The shipped playbooks with one more task: whoever is held waits there, so that a test decides when a phase goes on. */
async function playbooksThatHold(folder: string, holdFolder: string): Promise<string> {
  const to = join(folder, 'playbooks')
  await cp(join(repository, 'playbooks'), to, { recursive: true })
  for (const name of held) {
    const file = join(to, name)
    const plays = parse(await readFile(file, 'utf8')) as { tasks: unknown[] }[]
    plays[0]!.tasks.unshift({
      name: 'wait while the test holds this subcloud',
      // No module: each would take 0.4 s of the processor, and wait_for looks once a second.
      'ansible.builtin.raw': `timeout 240 sh -c 'while [ -e "$0" ]; do sleep 0.1; done' '${holdFolder}/{{ inventory_hostname }}'`,
      changed_when: false,
      delegate_to: 'localhost',
    })
    await writeFile(file, stringify(plays))
  }
  return to
}

/** PostgreSQL and NATS: those of the whole test run, or private ones. */
async function servers(leftovers: (() => Promise<unknown>)[]): Promise<Record<string, unknown>> {
  const given = process.env['MURMUR_TEST_POSTGRES']
  const own = given === undefined || given === '' ? await startPostgres() : undefined
  if (own !== undefined) leftovers.push(() => own.stop())
  const url = new URL(own?.url ?? given!)
  const schema = `fleet_${randomBytes(4).toString('hex')}`
  if (own === undefined) leftovers.push(() => dropSchemas(url.href, schema))
  url.searchParams.set('schema', `${schema}_SERVICE`)
  const nats = await startNats()
  leftovers.push(() => nats.stop())
  return { dataUrl: url.href.replace('_SERVICE', '_{service}'), busUrl: nats.url }
}

async function dropSchemas(url: string, prefix: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('set client_min_messages = error')
    for (const service of ['identity', 'platform', 'image', 'dcmanager'])
      await client.query(`drop schema if exists ${prefix}_${service} cascade`)
  } finally {
    await client.end()
  }
}
