import type { HttpRequest, HttpResponse } from '@murmuration/world'
import type { SeededRandom, SimulatedHost, SimulatedProcess } from '@murmuration/world/simulated'
import { answerJson, answerToken, bodyOf, credentialsOf, endpointOf } from './answers.ts'
import { networkOf, oamOf, ports, softwareVersion } from './places.ts'
import { servicePassword } from './secrets.ts'

const files = { certFile: '/tls/site.pem', keyFile: '/tls/site.key', clientCaFile: '/tls/ca.pem' }

/**
 * A subcloud as the controller sees it: it answers audits under mutual TLS, gives tokens to the service account, and its BMC
 * answers. It exists (is installed) after a bootstrap, at the address that it was given then.
 */
export class SiteAgent {
  readonly site: number
  readonly host: SimulatedHost
  readonly #random: SeededRandom
  #process: SimulatedProcess | undefined
  #tokens = 0
  /** Which of its networks it lives in; undefined: not deployed. */
  network: number | undefined
  /** Switched off by its operators. */
  off = false
  /** Probability that an answer is nonsense or an error. */
  confused = 0
  /** Virtual times of the audits that it answered. */
  readonly audited: number[] = []
  readonly #nowMs: () => number

  constructor(site: number, host: SimulatedHost, random: SeededRandom, nowMs: () => number) {
    this.site = site
    this.host = host
    this.#random = random
    this.#nowMs = nowMs
    // Whatever stands there without TLS: "it speaks, but nobody vouches for its certificate" is an answer of a BMC.
    const bmc = host.boot('bmc')
    void bmc.world.net.serve(
      { host: oamOf(site).bmc, port: 443 },
      endpointOf(() => answerJson(200, {})),
    )
  }

  get alive(): boolean {
    return this.#process !== undefined && this.#process.state !== 'dead'
  }

  get process(): SimulatedProcess | undefined {
    return this.#process
  }

  crash(): void {
    this.#process?.crash()
  }

  /** What a bootstrap or a network update did: it runs at these addresses. */
  deploy(network: number): void {
    this.network = network
    this.crash()
    this.start()
  }

  /** A new installation wipes what was there. */
  wipe(): void {
    this.network = undefined
    this.crash()
  }

  start(): void {
    if (this.alive || this.off || this.network === undefined) return
    const process = this.host.boot('agent')
    this.#process = process
    const { start } = networkOf(this.site, this.network)
    const issued = new Set<string>()
    const identity = endpointOf((request) => {
      const token = `site-${this.site}-${(this.#tokens += 1)}`
      issued.add(token)
      return answerToken(credentialsOf(request).password === servicePassword ? token : undefined, process.world.clock.nowMs())
    })
    const agent = endpointOf((request) =>
      issued.has(request.headers?.['x-auth-token'] ?? '') ? this.#audit(request) : answerJson(401, {}),
    )
    void process.world.net.serve({ host: start, port: ports.identityTls, tls: files }, identity)
    // Its health, before a backup.
    const platform = endpointOf((request, url) =>
      !issued.has(request.headers?.['x-auth-token'] ?? '')
        ? answerJson(401, {})
        : url.pathname === '/v1/alarms'
          ? answerJson(200, { alarms: [] })
          : answerJson(404, {}),
    )
    void process.world.net.serve({ host: start, port: ports.platformTls, tls: files }, platform)
    void process.world.net.serve({ host: start, port: ports.dcagentTls, tls: files }, agent)
  }

  #audit(request: HttpRequest): HttpResponse {
    if (this.#random.chance(this.confused)) return this.#random.chance(0.5) ? answerJson(500, {}) : answerJson(200, { base_audit: 'yes' })
    this.audited.push(this.#nowMs())
    return goodAudit(request)
  }
}

/** All is well with a site, and it is as the controller's. */
export function goodAudit(request: HttpRequest): HttpResponse {
  const asked = bodyOf(request) as Record<string, unknown>
  const has = (name: string): boolean => asked[name] !== undefined
  return answerJson(200, {
    base_audit: {
      availability: 'online',
      inactive_sg: [],
      alarms: { critical_alarms: 0, major_alarms: 0, minor_alarms: 0, warnings: 0, cloud_status: 'OK' },
    },
    ...(has('firmware_audit') ? { firmware_audit: 'in-sync' } : {}),
    ...(has('kubernetes_audit') ? { kubernetes_audit: 'in-sync' } : {}),
    ...(has('kube_rootca_audit') ? { kube_rootca_audit: 'in-sync' } : {}),
    ...(has('software_audit') ? { software_audit: { sync_status: 'in-sync', software_version: softwareVersion } } : {}),
  })
}
