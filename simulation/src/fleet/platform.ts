import type { SimulatedHost, SimulatedProcess } from '@murmuration/world/simulated'
import { answerJson, bodyOf, endpointOf, issueToken } from './answers.ts'
import { controllerAddress, ports, softwareVersion } from './places.ts'
import { servicePassword } from './secrets.ts'

interface Alarm {
  readonly alarm_id: string
  readonly entity_instance_id: string
}

/** What the controller's own identity and platform services say to dcmanager, no more. Alarms outlive the process. */
export class ControllerPlatform {
  readonly #host: SimulatedHost
  readonly alarms = new Map<string, Alarm>()
  #process: SimulatedProcess | undefined
  #tokens = 0

  constructor(host: SimulatedHost) {
    this.#host = host
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
    const issued = new Set<string>()
    const identity = endpointOf((request) => {
      const token = `controller-${(this.#tokens += 1)}`
      issued.add(token)
      return issueToken(request, token, clock.nowMs(), servicePassword)
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
    void net.serve({ host: controllerAddress, port: ports.identity }, identity)
    void net.serve({ host: controllerAddress, port: ports.platform }, platform)
  }
}

const facts: Readonly<Record<string, unknown>> = {
  '/v1/isystems': {
    isystems: [
      {
        uuid: '11111111-2222-4333-8444-555555555555',
        name: 'controller',
        region_name: 'RegionOne',
        software_version: softwareVersion,
        system_mode: 'duplex',
      },
    ],
  },
  '/v1/iextoam': { iextoams: [{ oam_floating_ip: controllerAddress }] },
  '/v1/addrpools': {
    addrpools: [
      {
        name: 'management',
        network: '10.10.0.0',
        prefix: 24,
        ranges: [['10.10.0.1', '10.10.0.100']],
        gateway_address: '10.10.0.253',
        floating_address: controllerAddress,
      },
    ],
  },
  '/v1/release': [{ release_id: `release-${softwareVersion}`, sw_version: `${softwareVersion}.0`, state: 'deployed' }],
  '/v1/kube_versions': { kube_versions: [{ version: 'v1.33.0', state: 'active' }] },
  '/v1/device_images': { device_images: [] },
}
