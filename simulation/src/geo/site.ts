import type { HttpRequest, HttpResponse, World } from '@murmuration/world'
import type { SimulatedHost, SimulatedProcess } from '@murmuration/world/simulated'
import { admits, mayClaim, type Owner, type Presented } from '@murmuration/platform'
import { answerJson, answerToken, bodyOf, credentialsOf, endpointOf } from '../fleet/answers.ts'
import { networkOf, oamOf, ports } from '../fleet/places.ts'
import { goodAudit } from '../fleet/site-agent.ts'
import { placeOf, shellPort, type ControllerName } from './places.ts'
import type { GeoPrepared } from './prepared.ts'

const files = { certFile: '/tls/site.pem', keyFile: '/tls/site.key', clientCaFile: '/tls/ca.pem' }

/** What a playbook sends to the host with each of its tasks. */
export interface Errand {
  readonly by: ControllerName
  /** As its variables say; undefined: they say nothing of owners. */
  readonly system: string | undefined
  readonly name: string
  readonly epoch: number
  readonly playbook: string
  /** Of a takeover that nobody asked for. */
  readonly witnessed: boolean
}

/** Something that a site let somebody do to it. */
export interface Accepted {
  readonly site: number
  /** UUID of a controller's system; undefined: it did not say. */
  readonly system: string | undefined
  /** Of the site at that moment; 0 while it has no owner. */
  readonly epoch: number
  readonly what: string
}

export interface SiteParts {
  readonly host: SimulatedHost
  readonly prepared: GeoPrepared
  readonly nowMs: () => number
  readonly note: (what: string) => void
  readonly accepted: (accepted: Accepted) => void
  /** Somebody took it over by himself, and had been told before for how long its owner was silent. */
  readonly takenUnasked: (site: number, by: ControllerName, silentMs: number) => void
}

/**
 * A subcloud that several controllers know. What survives a crash is here: who owns it under which epoch, whom it trusts. Its agent
 * keeps the ownership by the rules of services/platform themselves; its host runs what playbooks send, and asks the same rules first.
 */
export class GeoSite {
  readonly site: number
  readonly #parts: SiteParts
  #agent: SimulatedProcess | undefined
  #tokens = 0
  /** Whose playbook set it up last, and whose before: certificate, accounts, and whom its agent speaks with. */
  trust: { readonly now: ControllerName; readonly before: readonly ControllerName[] } | undefined
  owner: Owner | undefined
  #claimedMs = 0
  #heardMs = 0
  /** How long its owner had been silent when a controller asked last. */
  readonly #silentMs = new Map<ControllerName, number>()
  /** Switched off by its operators. */
  off = false

  constructor(site: number, parts: SiteParts) {
    this.site = site
    this.#parts = parts
    const { host } = parts
    // Machine and BMC are there whatever becomes of the agent.
    const machine = host.boot('machine').world
    void machine.net.serve(
      { host: oamOf(site).bmc, port: 443 },
      endpointOf(() => answerJson(200, {})),
    )
    void machine.net.serve(
      { host: oamOf(site).floating, port: shellPort },
      endpointOf((request, url) => this.#shell(request, url)),
    )
  }

  get name(): string {
    return `site-${this.site}`
  }

  get alive(): boolean {
    return this.#agent !== undefined && this.#agent.state !== 'dead'
  }

  crash(): void {
    this.#agent?.crash()
  }

  /** As a playbook of this controller leaves it. */
  async setUp(by: ControllerName): Promise<void> {
    const before = this.trust === undefined ? [] : [this.trust.now, ...this.trust.before].filter((name) => name !== by)
    this.trust = { now: by, before: [...new Set(before)] }
    const { prepared } = this.#parts
    const { certificate, privateKey } = prepared[by].sites[this.site]!
    const disk = this.#disk()
    await disk.write(files.certFile, certificate)
    await disk.write(files.keyFile, privateKey)
    // A former owner must be able to be told that it is one.
    const trusted = [by, ...this.trust.before].map((name) => prepared[name].authority.certificate)
    await disk.write(files.clientCaFile, trusted.join('\n'))
    this.crash()
    this.start()
  }

  #disk(): World['files'] {
    return this.#parts.host.processes[0]!.world.files
  }

  start(): void {
    const { trust } = this
    if (this.alive || this.off || trust === undefined) return
    const process = this.#parts.host.boot('agent')
    this.#agent = process
    const { start } = networkOf(this.site, 0)
    const issued = new Set<string>()
    const identity = endpointOf((request) => {
      const known = credentialsOf(request).password === placeOf(trust.now).servicePassword
      const token = `site-${this.site}-${(this.#tokens += 1)}`
      if (known) issued.add(token)
      return answerToken(known ? token : undefined, process.world.clock.nowMs())
    })
    const agent = endpointOf((request, url) => {
      if (url.pathname === '/v1/ownership') return this.#ownership()
      const refusal = this.#judge(presentedBy(request.headers), 'an audit')
      if (refusal !== undefined) return refusal
      return issued.has(request.headers?.['x-auth-token'] ?? '') ? goodAudit(request) : answerJson(401, {})
    })
    void process.world.net.serve({ host: start, port: ports.identityTls, tls: files }, identity)
    void process.world.net.serve({ host: start, port: ports.dcagentTls, tls: files }, agent)
  }

  /** The fence of services/platform: before the token is looked at. */
  #judge(presented: Presented | undefined, what: string): HttpResponse | undefined {
    const { owner, site } = this
    if (!admits(owner, presented)) {
      return answerJson(
        409,
        { error: { code: 409, title: 'Conflict', message: `This site is managed by ${owner!.ownerName}` } },
        {
          'murmuration-owner': owner!.owner,
          'murmuration-owner-name': encodeURIComponent(owner!.ownerName),
          'murmuration-owner-epoch': String(owner!.epoch),
        },
      )
    }
    if (owner !== undefined) this.#heardMs = this.#parts.nowMs()
    this.#parts.accepted({ site, system: presented?.system, epoch: owner?.epoch ?? 0, what })
    return undefined
  }

  #ownership(): HttpResponse {
    const { owner } = this
    return answerJson(200, {
      owner: owner?.owner ?? null,
      owner_name: owner?.ownerName ?? null,
      epoch: owner?.epoch ?? 0,
      claimed_at: owner === undefined ? null : new Date(this.#claimedMs).toISOString(),
      owner_silent_ms: owner === undefined ? null : Math.round(this.#parts.nowMs() - this.#heardMs),
    })
  }

  /** What playbooks do on the host, one request for each of their tasks. */
  #shell(request: HttpRequest, { pathname }: URL): HttpResponse {
    if (this.off) return answerJson(503, {})
    const { by, system, name, epoch, playbook, witnessed } = bodyOf(request) as Errand
    if (pathname === '/show') {
      if (this.trust === undefined) return answerJson(503, {})
      this.#silentMs.set(by, this.#parts.nowMs() - this.#heardMs)
      return this.#ownership()
    }
    if (pathname === '/claim' && system !== undefined) {
      if (witnessed && this.owner !== undefined && this.owner.owner !== system)
        this.#parts.takenUnasked(this.site, by, this.#silentMs.get(by) ?? 0)
      return this.#claim({ owner: system, ownerName: name, epoch })
    }
    const refusal = this.#judge(system === undefined ? undefined : { system, epoch }, `${playbook} (${pathname.slice(1)})`)
    if (refusal !== undefined) return refusal
    if (pathname === '/finish' && (playbook === 'bootstrap' || playbook === 'rehome_subcloud')) void this.setUp(by)
    return answerJson(200, {})
  }

  #claim(claim: Owner): HttpResponse {
    const { owner } = this
    if (!mayClaim(owner, claim)) return answerJson(409, { owner: owner!.owner, owner_name: owner!.ownerName, epoch: owner!.epoch })
    if (owner === undefined || claim.epoch > owner.epoch) {
      this.#parts.note(`${this.name} belongs to ${claim.ownerName} since epoch ${claim.epoch}`)
      this.owner = claim
      this.#claimedMs = this.#parts.nowMs()
      this.#heardMs = this.#claimedMs
    }
    this.#parts.accepted({ site: this.site, system: claim.owner, epoch: claim.epoch, what: 'a claim' })
    return answerJson(200, {})
  }
}

function presentedBy(headers: HttpRequest['headers']): Presented | undefined {
  const { 'murmuration-system': system, 'murmuration-epoch': epoch } = headers ?? {}
  return system === undefined || epoch === undefined ? undefined : { system: system.toLowerCase(), epoch: Number(epoch) }
}
