import { createKeystoneSession } from '@murmuration/clients'
import { openDatabase, type Database } from '@murmuration/data'
import { createDcmanagerService } from '@murmuration/dcmanager'
import type { RoleName, Service, Site, SiteConfig } from '@murmuration/site'
import { openKeyring, Secret, type Authority } from '@murmuration/trust'
import type { Endpoint, Listening, World } from '@murmuration/world'
import type { SimulatedHost, SimulatedProcess, SeededRandom } from '@murmuration/world/simulated'
import type { SimulatedBus } from './bus.ts'
import { probed } from './database.ts'
import type { Tokens } from './tokens.ts'

/** What the harness hears of the controller's processes. */
export interface ControllerEars {
  /** A process has committed writes to these tables. */
  committed(processName: string, tables: ReadonlySet<string>): void
  /** Wraps the endpoint of an API process. */
  tap(endpoint: Endpoint, process: SimulatedProcess): Endpoint
  /** Requests to agents that one process has under way. */
  auditsUnderWay(processName: string, count: number): void
  /** Something was done to a process of the controller: a lease may be lost from now on. */
  disturbed(): void
  /** However it came: by a fault, at a statement, or at its own end. */
  crashed(process: ControllerProcess, processName: string): void
  /** It was paused at a statement; it is to go on after so long. */
  frozen(process: SimulatedProcess, forMs: number): void
  note(what: string): void
}

export interface ControllerParts {
  readonly host: SimulatedHost
  readonly bus: SimulatedBus
  readonly config: SiteConfig
  readonly authority: Authority
  readonly tokens: Tokens
  /** Of its services' own account. */
  readonly servicePassword: string
  /** Asked at every start: it may have been put somewhere else. */
  readonly databaseUrl: () => string
  readonly random: SeededRandom
  readonly ears: ControllerEars
}

interface Incarnation {
  readonly process: SimulatedProcess
  /** Present from its start to its orderly end. */
  service?: Service
  readonly listening: Listening[]
}

/** How often a statement is slow, and how slow. */
export interface DatabaseModel {
  readonly slow: number
  readonly longestMs: number
  /** How often the disk fails a write. */
  readonly failing?: number
}

/** One process of the controller's dcmanager, with whatever roles. It is started again after it has crashed, as a supervisor would. */
export class ControllerProcess {
  readonly name: string
  readonly roles: readonly RoleName[]
  /** Among its like: APIs of one machine listen on ports beside each other. */
  readonly index: number
  readonly #parts: ControllerParts
  readonly #random: SeededRandom
  #current: Incarnation | undefined
  #databases: Database<unknown>[] = []
  /** Statements until something happens; undefined: nothing will. */
  #fuse: { left: number; readonly freezeMs: number | undefined } | undefined
  model: DatabaseModel = { slow: 0, longestMs: 0 }
  starts = 0
  /** Its incarnation that was paused last. */
  lastPaused: string | undefined
  /** Why the last start failed, if it did. */
  failure: string | undefined

  constructor(name: string, roles: readonly RoleName[], index: number, parts: ControllerParts) {
    this.name = name
    this.index = index
    this.roles = roles
    this.#parts = parts
    this.#random = parts.random.fork(name)
  }

  get state(): 'running' | 'paused' | 'dead' {
    return this.#current?.process.state ?? 'dead'
  }

  get process(): SimulatedProcess | undefined {
    return this.#current?.process
  }

  /** Ready to serve and to work. */
  get ready(): boolean {
    return this.#current?.service !== undefined && this.state === 'running'
  }

  /** Boots it unless it lives. */
  start(): void {
    if (this.state !== 'dead') return
    const process = this.#parts.host.boot(this.name)
    this.starts += 1
    this.#fuse = undefined
    const current: Incarnation = { process, listening: [] }
    this.#current = current
    this.#databases = []
    process.onCrash(() => {
      // What the operating system does for a dead process: its locks are let go, its transaction is rolled back.
      for (const database of this.#databases) void database.close()
      this.#parts.ears.crashed(this, process.name)
    })
    this.#run(current).catch((error: unknown) => {
      this.failure = error instanceof Error ? error.message : String(error)
      this.#parts.ears.note(`${process.name} could not start: ${this.failure}`)
      process.crash()
    })
  }

  crash(): void {
    this.#parts.ears.disturbed()
    this.#current?.process.crash()
  }

  /** After so many more statements it will die, or stand still for so long (as with SIGSTOP, between two statements). */
  lightFuse(statements: number, freezeMs?: number): void {
    this.#fuse = { left: statements, freezeMs }
  }

  snuffFuse(): void {
    this.#fuse = undefined
  }

  /** As SIGTERM does: finishes what it must and ends. */
  async stop(): Promise<void> {
    const current = this.#current
    if (current?.service === undefined || current.process.state === 'dead') return this.crash()
    const { service } = current
    this.#parts.ears.disturbed()
    delete current.service
    this.#parts.ears.note(`${current.process.name} is asked to end`)
    await Promise.all(current.listening.map((listening) => listening.close()))
    await service.stop()
    current.process.crash()
  }

  async #run(current: Incarnation): Promise<void> {
    const site = await this.#site(current.process)
    const service = await createDcmanagerService(site)
    for (const app of service.apps)
      for (const address of app.listen)
        current.listening.push(await site.world.net.serve(address, this.#parts.ears.tap(app.endpoint, current.process)))
    await service.start()
    current.service = service
    this.failure = undefined
  }

  async #site(process: SimulatedProcess): Promise<Site> {
    const { config, authority, tokens, servicePassword, bus, databaseUrl, ears } = this.#parts
    const world = this.#world(process)
    return {
      world,
      config: { ...config, roles: this.roles, ports: portsOf(config.ports, this.index) },
      keyring: await openKeyring(world, `${config.varFolder}/keys/keyring.json`),
      authority,
      bus: bus.join(process),
      session: createKeystoneSession(world, {
        authUrl: config.identity.url,
        userName: config.identity.serviceUser,
        userDomainName: 'Default',
        password: new Secret(servicePassword),
        projectName: 'services',
        projectDomainName: 'Default',
      }),
      tokens: tokens.validator(world),
      processId: process.name,
      openDatabase: async <DB>(service: string): Promise<Database<DB>> => {
        const database = await openDatabase<DB>(databaseUrl(), { world, name: service })
        this.#databases.push(database as unknown as Database<unknown>)
        return probed(database, {
          passed: () => this.#passed(process),
          committed: (tables) => process.state !== 'dead' && ears.committed(process.name, tables),
          fault: () => ((this.model.failing ?? 0) > 0 && this.#random.chance(this.model.failing!) ? diskError() : undefined),
          get alive() {
            return process.state !== 'dead'
          },
        })
      },
      close: async () => {},
    }
  }

  /** After a statement: perhaps the process dies here, perhaps the answer takes its time. */
  #passed(process: SimulatedProcess): Promise<void> | undefined {
    if (this.#fuse !== undefined && this.#current?.process === process) {
      this.#fuse.left -= 1
      if (this.#fuse.left <= 0) {
        const { freezeMs } = this.#fuse
        this.#parts.ears.disturbed()
        this.#fuse = undefined
        if (freezeMs !== undefined) return this.#freeze(process, freezeMs)
        process.crash()
      }
    }
    // A dead process waits for ever.
    if (process.state === 'dead') return new Promise(() => {})
    if (this.#random.chance(this.model.slow)) return process.world.timers.sleep(this.#random.between(1, this.model.longestMs))
    return undefined
  }

  /** What it waits for comes first when it goes on: before any timer tells it how late it is. */
  #freeze(process: SimulatedProcess, forMs: number): Promise<void> {
    this.pauseFor(forMs)
    return process.world.timers.sleep(1)
  }

  /** As SIGSTOP, and SIGCONT later. */
  pauseFor(forMs: number): void {
    const process = this.#current?.process
    if (process?.state !== 'running') return
    process.pause()
    this.#parts.ears.disturbed()
    this.lastPaused = process.name
    this.#parts.ears.frozen(process, forMs)
  }

  #world(process: SimulatedProcess): World {
    const { world } = process
    let audits = 0
    return {
      ...world,
      net: {
        ...world.net,
        request: async (request) => {
          const isAudit = request.url.endsWith('/v1/dcaudit')
          if (isAudit) this.#parts.ears.auditsUnderWay(process.name, (audits += 1))
          try {
            return await world.net.request(request)
          } finally {
            if (isAudit) audits -= 1
          }
        },
      },
    }
  }
}

/** As SQLite tells it. */
const diskError = (): Error =>
  Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 10, errstr: 'disk I/O error' })

/** Where an API of this number listens; what the ports of other services and sites are stays. */
export const apiPort = (port: number, index: number): number => port + 100 * index

const portsOf = (ports: SiteConfig['ports'], index: number): SiteConfig['ports'] =>
  Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [name, name.startsWith('dcmanager') ? apiPort(port, index) : port]),
  ) as unknown as SiteConfig['ports']
