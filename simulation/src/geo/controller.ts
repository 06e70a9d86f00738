import type { Endpoint, ProcessSpec } from '@murmuration/world'
import type { SeededRandom, SimulatedHost, SimulatedProcess, Simulation } from '@murmuration/world/simulated'
import { Checks, type Watched } from '../check/checks.ts'
import { SimulatedBus } from '../fleet/bus.ts'
import { ControllerProcess } from '../fleet/controller.ts'
import { oamOf, playbooksFolder, ports, siteAt, softwareVersion, varFolder } from '../fleet/places.ts'
import { ControllerPlatform } from '../fleet/platform.ts'
import { Playbooks, type PlaybookRun, type Refusal } from '../fleet/playbooks.ts'
import { secretText } from '../fleet/secrets.ts'
import { copyDatabaseFile } from '../fleet/template.ts'
import type { Counter } from '../operator/client.ts'
import { forOldPeers } from './old-peers.ts'
import { peerPassword, peerUser, placeOf, shellPort, type ControllerName, type Place } from './places.ts'
import type { PreparedController } from './prepared.ts'
import type { Errand } from './site.ts'

export interface MachineParts {
  readonly simulation: Simulation
  readonly name: ControllerName
  readonly prepared: PreparedController
  readonly operator: SimulatedProcess
  readonly random: SeededRandom
  /** Its database file. */
  readonly path: string
  /** Its peers are of a release that knows nothing of revisions and epochs, and so it is for them. */
  readonly oldPeers: boolean
  /** Roles of its processes. */
  readonly shape: readonly (readonly ('api' | 'manager' | 'audit' | 'state')[])[]
}

const shellAttempts = 4
const shellDeadlineMs = 2_500

/** One system controller: its machine, its processes on one database, its own doubles and its own checks. */
export class Machine implements Watched {
  readonly name: ControllerName
  readonly place: Place
  readonly simulation: Simulation
  readonly host: SimulatedHost
  /** For what the harness does with its files, and for what its playbooks ask of sites. */
  readonly hand: SimulatedProcess
  readonly bus: SimulatedBus
  readonly platform: ControllerPlatform
  readonly processes: readonly ControllerProcess[]
  readonly playbooks: Playbooks
  readonly prepared: PreparedController
  /** Of the database that it began with; all that it had later begin alike. */
  readonly firstPath: string
  #path: string
  checks: Checks
  unreliableDisk = false
  disturbed = false
  clockSteppedMs = Number.NEGATIVE_INFINITY
  /** Dead processes are started again. */
  supervised = true
  calm = false
  /** Of the account that peers use here; counts up when its password changes. */
  passwordGeneration = 1
  #kept = 0
  #restoring = false
  #startsAfterRestore = false
  readonly #random: SeededRandom
  readonly #oldPeers: boolean
  readonly #operator: SimulatedProcess

  constructor(parts: MachineParts) {
    const { simulation, name, prepared, random } = parts
    this.simulation = simulation
    this.name = name
    this.place = placeOf(name)
    this.prepared = prepared
    this.firstPath = parts.path
    this.#path = parts.path
    this.#random = random
    this.#oldPeers = parts.oldPeers
    this.#operator = parts.operator
    const { address, uuid, prefix, servicePassword } = this.place
    this.host = simulation.host(name, { addresses: [address] })
    this.hand = this.host.boot('hand')
    this.bus = new SimulatedBus(random.fork('bus'))
    this.checks = this.#watch()
    this.platform = new ControllerPlatform(this.host, {
      address,
      uuid,
      name,
      prefix,
      servicePassword,
      login: (user, password) =>
        user === peerUser && password === peerPassword(name, this.passwordGeneration) ? prepared.tokens.admins(user) : undefined,
      catalog: [
        {
          type: 'dcmanager',
          endpoints: [{ interface: 'public', region: 'SystemController', url: `http://${address}:${ports.dcmanager}/v1.0` }],
        },
        { type: 'platform', endpoints: [{ interface: 'public', region: 'RegionOne', url: `http://${address}:${ports.platform}/v1` }] },
      ],
    })
    const processParts = {
      host: this.host,
      bus: this.bus,
      config: prepared.config,
      authority: prepared.authority,
      tokens: prepared.tokens,
      servicePassword,
      databaseUrl: () => `sqlite:${this.#path}`,
      random: random.fork('processes'),
      ears: {
        committed: (who: string, tables: ReadonlySet<string>) => this.checks.ears.committed(who, tables),
        tap: (endpoint: Endpoint, process: SimulatedProcess) => this.#tap(endpoint, process),
        auditsUnderWay: (who: string, count: number) => this.checks.ears.auditsUnderWay(who, count),
        crashed: (process: ControllerProcess, who: string) => {
          this.playbooks.orphan(who)
          this.#restartLater(process)
        },
        disturbed: () => {
          this.disturbed = true
        },
        frozen: (process: SimulatedProcess, forMs: number) =>
          simulation.at(simulation.nowMs + forMs, `${process.name} goes on`, () => process.resume()),
        note: (what: string) => simulation.note(what),
      },
    }
    this.processes = parts.shape.map((roles, index) => new ControllerProcess(`main-${index + 1}`, roles, index, processParts))
    this.playbooks = new Playbooks({
      random: random.fork('playbooks'),
      nowMs: () => simulation.nowMs,
      files: () => this.hand.world.files,
      act: (run, moment, spec) => this.#act(run, moment, spec),
      started: (run) => this.checks.ears.playbookStarted(run),
      succeeded: (run) => this.checks.ears.playbookSucceeded(run),
      ended: (run) => this.checks.ears.playbookEnded(run),
    })
  }

  /** Of the database that it works with. */
  get path(): string {
    return this.#path
  }

  /** Where operators ask it. */
  get counter(): Counter {
    const { simulation, place, prepared } = this
    return { simulation, operator: this.#operator, address: place.address, apis: 1, tokens: prepared.tokens }
  }

  get ready(): boolean {
    return this.processes.every((each) => each.ready)
  }

  async install(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const { config, own, authority } = this.prepared
    const all: (readonly [string, string | Uint8Array])[] = [
      [config.tls.caFile, authority.certificate],
      [config.tls.certFile, own.certificate],
      [config.tls.keyFile, own.privateKey],
      [config.identity.servicePasswordFile, `${this.place.servicePassword}\n`],
      [`${varFolder}/secrets/ssh-key`, secretText('ssh')],
      [`${playbooksFolder}/murmuration.json`, JSON.stringify({ secretsFrom: 'environment', claimsSites: true })],
      [`${playbooksFolder}/configure.yml`, ''],
      [`${varFolder}/vault/software/${softwareVersion}/boot.iso`, ''],
      [`${varFolder}/vault/software/${softwareVersion}/boot.sig`, ''],
      ...files,
    ]
    for (const [path, data] of all) await this.hand.world.files.write(path, data)
  }

  start(): void {
    if (this.#restoring) {
      this.#startsAfterRestore = true
      return
    }
    this.supervised = true
    this.platform.start()
    for (const process of this.processes) process.start()
  }

  /** All of it, until `start`. */
  shutDown(): void {
    this.supervised = false
    this.#startsAfterRestore = false
    this.disturbed = true
    this.simulation.note(`${this.name} is shut down`)
    for (const process of this.processes) process.crash()
    this.platform.crash()
  }

  /** A copy of its database as it is now, to be put back later. */
  keepDatabase(): string {
    const kept = `${this.firstPath}.kept-${(this.#kept += 1)}`
    copyDatabaseFile(this.#path, kept)
    return kept
  }

  /**
   * It is shut down, its database is what it was then, and it starts again. A restore takes longer than playbooks go on that nobody reads any
   * more: no run of before knows a lease of after.
   */
  restoreDatabase(kept: string): void {
    const { supervised } = this
    this.shutDown()
    this.#startsAfterRestore = supervised
    this.#restoring = true
    this.#finishRestore(kept)
  }

  #finishRestore(kept: string): void {
    const { simulation } = this
    if (this.playbooks.live().length > 0) {
      simulation.at(simulation.nowMs + 500, `looks whether playbooks of ${this.name} have ended`, () => this.#finishRestore(kept))
      return
    }
    this.#restoring = false
    this.checks.close()
    // Beside the lost one, which nobody opens any more.
    this.#path = `${kept}-restored`
    copyDatabaseFile(kept, this.#path)
    this.checks = this.#watch()
    if (this.#startsAfterRestore) this.start()
  }

  #watch(): Checks {
    const checks = new Checks({
      path: this.path,
      succeeded: () => {},
      // What other sites do and are is a reason.
      isExcused: (job) => !job.kind.startsWith('subcloud.') || job.kind === 'subcloud.rehome',
    })
    checks.watch(this)
    return checks
  }

  /** The checks of the moment: they may begin anew while the app stands. */
  #tap(endpoint: Endpoint, process: SimulatedProcess): Endpoint {
    const tapped = new WeakMap<Checks, Endpoint>()
    return {
      handle: (request, response) => endpoint.handle(request, response),
      inject: (request) => {
        const known = tapped.get(this.checks) ?? this.checks.ears.tap(endpoint, process)
        tapped.set(this.checks, known)
        return this.#oldPeers ? forOldPeers(request, (stripped) => known.inject(stripped)) : known.inject(request)
      },
    }
  }

  #restartLater(process: ControllerProcess): void {
    if (!this.supervised) return
    const delayMs = this.calm ? 500 : this.#random.between(100, 12_000)
    this.simulation.at(this.simulation.nowMs + delayMs, `starts ${this.name}/${process.name} again`, () => {
      if (this.supervised) process.start()
    })
  }

  /** What a playbook does to its site, over the network: whoever is cut off does nothing to it. */
  async #act(run: PlaybookRun, moment: 'first' | 'task' | 'last', spec: ProcessSpec): Promise<Refusal | undefined> {
    if (!touching.has(run.playbook)) return undefined
    const row = this.checks.reader.subcloud(run.subcloudId)
    if (row === undefined) return undefined
    const data = await this.hand.world.files.read(`${spec.cwd}/variables.json`)
    const variables = JSON.parse(new TextDecoder().decode(data)) as Readonly<Record<string, unknown>>
    const body = JSON.stringify({
      by: this.name,
      system: variables['site_owner'] as string | undefined,
      name: String(variables['site_owner_name']),
      epoch: Number(variables['site_owner_epoch']),
      playbook: run.playbook,
      witnessed: (JSON.parse(this.checks.reader.jobInput(run.jobId)) as { witnessed?: boolean }).witnessed === true,
    } satisfies Errand)
    const path = run.playbook === 'ownership' ? 'show' : moment === 'first' ? 'claim' : moment === 'task' ? 'task' : 'finish'
    if (path === 'show' && moment !== 'last') return undefined
    const url = `http://${oamOf(siteAt(row.management_start_ip)).floating}:${shellPort}/${path}`
    for (let attempt = 1; attempt <= shellAttempts; attempt += 1) {
      try {
        const answer = await this.hand.world.net.request({ method: 'POST', url, body, deadlineMs: shellDeadlineMs, oneOff: true })
        if (answer.status === 409) return { task: claimTask, msg: `the site of ${row.name} is managed by another controller` }
        if (answer.status !== 200) continue
        if (path === 'show') await this.hand.world.files.write(`${spec.cwd}/ownership.json`, answer.body)
        return undefined
      } catch {
        // As ssh does: it is tried again for a while.
      }
    }
    return { task: `${path} of ${run.playbook}`, msg: `the host of ${row.name} can't be reached` }
  }
}

/** The task of playbooks/tasks/ownership.yml by whose failure a lost race is recognised. */
const claimTask = 'claim the site for this system controller'
const touching: ReadonlySet<string> = new Set(['bootstrap', 'configure', 'ownership', 'rehome_subcloud', 'update_subcloud'])
