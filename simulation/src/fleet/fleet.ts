import type { Endpoint } from '@murmuration/world'
import { createSimulation, SeededRandom, type Simulation, type SimulatedHost, type SimulatedProcess } from '@murmuration/world/simulated'
import type { Counter } from '../operator/client.ts'
import { SimulatedBus } from './bus.ts'
import { ControllerProcess } from './controller.ts'
import { ControllerPlatform } from './platform.ts'
import { Playbooks, type PlaybookRun } from './playbooks.ts'
import {
  controllerAddress,
  controllerHost,
  operatorHost,
  playbooksFolder,
  siteCount,
  siteHost,
  softwareVersion,
  varFolder,
} from './places.ts'
import type { Prepared } from './prepared.ts'
import { secretText, servicePassword } from './secrets.ts'
import { SiteAgent } from './site-agent.ts'

export interface FleetOptions {
  readonly seed: string
  readonly startMs: number
  readonly databaseUrl: string
  readonly prepared: Prepared
  /** Number of processes by role. */
  readonly shape: Readonly<Record<'api' | 'manager' | 'audit' | 'state', number>>
}

/** What checks listen to. */
export interface FleetEars {
  committed(processName: string, tables: ReadonlySet<string>): void
  tap(endpoint: Endpoint, process: SimulatedProcess): Endpoint
  auditsUnderWay(processName: string, count: number): void
  playbookStarted(run: PlaybookRun): void
  playbookSucceeded(run: PlaybookRun): void
  playbookEnded(run: PlaybookRun): void
}

/** A system controller of several processes on one database, twenty sites, and the machine that operators work on. */
export class Fleet {
  readonly simulation: Simulation
  readonly random: SeededRandom
  readonly controller: SimulatedHost
  readonly bus: SimulatedBus
  readonly processes: readonly ControllerProcess[]
  readonly platform: ControllerPlatform
  readonly playbooks: Playbooks
  /** By number; 0 is nobody. */
  readonly sites: readonly (SiteAgent | undefined)[]
  readonly operator: SimulatedProcess
  /** For what the harness does with the controller's files. */
  readonly hand: SimulatedProcess
  readonly prepared: Prepared
  readonly shape: FleetOptions['shape']
  /** Its disk fails now, or has failed since this seed began. */
  unreliableDisk = false
  readonly database: string
  /** Ends whatever the harness itself holds in the database. */
  letGo: () => void = () => {}
  /** Something was done to the controller in this seed. */
  disturbed = false
  /** When the controller's wall clock was changed last. */
  clockSteppedMs = Number.NEGATIVE_INFINITY
  /** Dead processes of the controller are started again. */
  supervised = true
  /** The time of faults is over. */
  calm = false

  constructor(options: FleetOptions, ears: FleetEars) {
    const { seed, prepared } = options
    this.prepared = prepared
    this.shape = options.shape
    this.database = options.databaseUrl.slice('sqlite:'.length)
    this.simulation = createSimulation(seed, { startMs: options.startMs, orphans: 'survive' })
    this.random = new SeededRandom(`fleet ${seed}`)
    this.controller = this.simulation.host(controllerHost, { addresses: [controllerAddress] })
    this.hand = this.controller.boot('hand')
    this.operator = this.simulation.host(operatorHost).boot('operator')
    this.bus = new SimulatedBus(this.random.fork('bus'))
    this.platform = new ControllerPlatform(this.controller, {
      address: controllerAddress,
      uuid: '11111111-2222-4333-8444-555555555555',
      name: controllerHost,
      prefix: '10.10.0',
      servicePassword,
    })
    const parts = {
      host: this.controller,
      bus: this.bus,
      config: prepared.config,
      authority: prepared.authority,
      tokens: prepared.tokens,
      servicePassword,
      databaseUrl: () => options.databaseUrl,
      random: this.random.fork('controller'),
      ears: {
        committed: (name: string, tables: ReadonlySet<string>) => ears.committed(name, tables),
        tap: (endpoint: Endpoint, process: SimulatedProcess) => ears.tap(endpoint, process),
        auditsUnderWay: (name: string, count: number) => ears.auditsUnderWay(name, count),
        crashed: (process: ControllerProcess, name: string) => {
          this.playbooks.orphan(name)
          this.#restartLater(process)
        },
        disturbed: () => {
          this.disturbed = true
        },
        frozen: (process: SimulatedProcess, forMs: number) =>
          this.simulation.at(this.simulation.nowMs + forMs, `${process.name} goes on`, () => process.resume()),
        note: (what: string) => this.simulation.note(what),
      },
    }
    this.processes = (['api', 'state', 'manager', 'audit'] as const).flatMap((role) =>
      Array.from({ length: options.shape[role] }, (_, index) => new ControllerProcess(`${role}-${index + 1}`, [role], index, parts)),
    )
    this.playbooks = new Playbooks({
      random: this.random.fork('playbooks'),
      nowMs: () => this.simulation.nowMs,
      files: () => this.hand.world.files,
      started: (run) => ears.playbookStarted(run),
      succeeded: (run) => ears.playbookSucceeded(run),
      ended: (run) => ears.playbookEnded(run),
    })
    this.simulation.onProcess((spec, context) => this.playbooks.script(spec, context))
    this.sites = Array.from({ length: siteCount + 1 }, (_, site) =>
      site === 0
        ? undefined
        : new SiteAgent(site, this.simulation.host(siteHost(site)), this.random.fork(`site ${site}`), () => this.simulation.nowMs),
    )
  }

  /** Where operators ask. */
  get counter(): Counter {
    const { simulation, operator, prepared, shape } = this
    return { simulation, operator, address: controllerAddress, apis: shape.api, tokens: prepared.tokens }
  }

  agents(): SiteAgent[] {
    return this.sites.filter((site) => site !== undefined)
  }

  site(number: number): SiteAgent {
    const site = this.sites[number]
    if (site === undefined) throw new Error(`there is no site ${number}`)
    return site
  }

  process(name: string): ControllerProcess {
    const process = this.processes.find((candidate) => candidate.name === name)
    if (process === undefined) throw new Error(`there is no process ${name}`)
    return process
  }

  /** As a supervisor does: after a while, for it may crash again at once. */
  #restartLater(process: ControllerProcess): void {
    if (!this.supervised) return
    const delayMs = this.calm ? 500 : this.random.between(100, 12_000)
    this.simulation.at(this.simulation.nowMs + delayMs, `starts ${process.name} again`, () => process.start())
  }

  /** The disks before anything runs. */
  async install(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const { certificates, config } = this.prepared
    const own: (readonly [string, string | Uint8Array])[] = [
      [config.tls.caFile, certificates.ca],
      [config.tls.certFile, certificates.controller.certificate],
      [config.tls.keyFile, certificates.controller.privateKey],
      [config.identity.servicePasswordFile, `${servicePassword}\n`],
      [`${varFolder}/secrets/ssh-key`, secretText('ssh')],
      [`${playbooksFolder}/murmuration.json`, JSON.stringify({ secretsFrom: 'environment' })],
      [`${playbooksFolder}/configure.yml`, ''],
      [`${varFolder}/vault/software/${softwareVersion}/boot.iso`, ''],
      [`${varFolder}/vault/software/${softwareVersion}/boot.sig`, ''],
      ...files,
    ]
    for (const [path, data] of own) await this.hand.world.files.write(path, data)
    for (const agent of this.agents()) {
      const { files: disk } = agent.host.boot('setup').world
      const { certificate, privateKey } = certificates.sites[agent.site]!
      await disk.write('/tls/ca.pem', certificates.ca)
      await disk.write('/tls/site.pem', certificate)
      await disk.write('/tls/site.key', privateKey)
    }
    for (const agent of this.agents()) for (const process of agent.host.processes) if (process.name.includes('/setup#')) process.crash()
  }

  startAll(): void {
    this.platform.start()
    for (const process of this.processes) process.start()
    for (const agent of this.agents()) agent.start()
  }
}
