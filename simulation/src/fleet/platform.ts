import type { SimulatedHost, SimulatedProcess } from '@murmuration/world/simulated'
import { answerJson, answerToken, bodyOf, credentialsOf, endpointOf, type CatalogEntry } from './answers.ts'
import { ports, softwareVersion } from './places.ts'

interface Alarm {
  readonly alarm_id: string
  readonly entity_instance_id: string
}

/** Who a controller is, and who may log in there. */
export interface PlatformSelf {
  readonly address: string
  readonly uuid: string
  readonly name: string
  /** Of its management network: `<prefix>.0/24`. */
  readonly prefix: string
  /** Of its own services' account. */
  readonly servicePassword: string
  /** The token of any other account; undefined: name or password are wrong. */
  readonly login?: (userName: string, password: string) => string | undefined
  readonly catalog?: readonly CatalogEntry[]
}

/** What the controller's own identity and platform services say to dcmanager, no more. Alarms outlive the process. */
export class ControllerPlatform {
  readonly #host: SimulatedHost
  readonly #self: PlatformSelf
  readonly alarms = new Map<string, Alarm>()
  #process: SimulatedProcess | undefined
  #tokens = 0

  constructor(host: SimulatedHost, self: PlatformSelf) {
    this.#host = host
    this.#self = self
  }

  get alive(): boolean {
    return this.#process !== undefined && this.#process.state !== 'dead'
  }

  crash(): void {
    this.#process?.crash()
  }

  start(): void {
    if (this.alive) return
    const process = this.#host.boot('platform')
    this.#process = process
    const { net, clock } = process.world
    const self = this.#self
    const facts = factsOf(self)
    const issued = new Set<string>()
    const identity = endpointOf((request) => {
      const { userName, password } = credentialsOf(request)
      const token = password === self.servicePassword ? `controller-${(this.#tokens += 1)}` : self.login?.(userName, password)
      if (token !== undefined) issued.add(token)
      return answerToken(token, clock.nowMs(), self.catalog)
    })
    const platform = endpointOf((request, url) => {
      if (!issued.has(request.headers?.['x-auth-token'] ?? '')) return answerJson(401, {})
      if (request.method === 'GET') {
        const fact = facts[url.pathname]
        if (fact !== undefined) return answerJson(200, fact)
        if (url.pathname === '/v1/alarms')
          return answerJson(200, {
            alarms: [...this.alarms.values()].filter((alarm) => alarm.alarm_id === url.searchParams.get('alarm_id')),
          })
        return answerJson(404, {})
      }
      const { alarms } = bodyOf(request) as { alarms: readonly Alarm[] }
      for (const alarm of alarms) {
        const key = `${alarm.alarm_id} ${alarm.entity_instance_id}`
        if (url.pathname === '/v1/alarms/raise') this.alarms.set(key, alarm)
        else this.alarms.delete(key)
      }
      return answerJson(200, {})
    })
    void net.serve({ host: self.address, port: ports.identity }, identity)
    void net.serve({ host: self.address, port: ports.platform }, platform)
  }
}

const factsOf = ({ address, uuid, name, prefix }: PlatformSelf): Readonly<Record<string, unknown>> => ({
  '/v1/isystems': {
    isystems: [
      {
        uuid,
        name,
        region_name: 'RegionOne',
        software_version: softwareVersion,
        system_mode: 'duplex',
      },
    ],
  },
  '/v1/iextoam': { iextoams: [{ oam_floating_ip: address }] },
  '/v1/addrpools': {
    addrpools: [
      {
        name: 'management',
        network: `${prefix}.0`,
        prefix: 24,
        ranges: [[`${prefix}.1`, `${prefix}.100`]],
        gateway_address: `${prefix}.253`,
        floating_address: address,
      },
    ],
  },
  '/v1/release': [{ release_id: `release-${softwareVersion}`, sw_version: `${softwareVersion}.0`, state: 'deployed' }],
  '/v1/kube_versions': { kube_versions: [{ version: 'v1.33.0', state: 'active' }] },
  '/v1/device_images': { device_images: [] },
})
