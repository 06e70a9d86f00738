import { createDcagentClient, type DcagentClient, type DcagentReply, type DcagentRequest } from '@murmuration/clients'
import { Secret } from '@murmuration/trust'
import { NetworkError, type HttpRequest, type HttpResponse, type World } from '@murmuration/world'
import type { FaultManagement } from '../work/state-faults.ts'
import { alarmKey } from '../rules/sync-status.ts'

/** What a healthy agent answers to a request. */
export const healthyReply = (request: DcagentRequest): DcagentReply => ({
  base_audit: {
    availability: 'online',
    inactive_sg: [],
    alarms: { critical_alarms: 0, major_alarms: 0, minor_alarms: 0, warnings: 0, cloud_status: 'OK' },
  },
  ...(request.firmware_audit === undefined ? {} : { firmware_audit: 'in-sync' }),
  ...(request.kubernetes_audit === undefined ? {} : { kubernetes_audit: 'in-sync' }),
  ...(request.kube_rootca_audit === undefined ? {} : { kube_rootca_audit: 'in-sync' }),
  ...(request.software_audit === undefined ? {} : { software_audit: { sync_status: 'in-sync', software_version: '26.09' } }),
})

export interface ScriptedAgents extends DcagentClient {
  readonly asked: { readonly ip: string; readonly request: DcagentRequest }[]
  /** Addresses that do not answer. */
  readonly down: Set<string>
  /** Requests that wait until they are let go, when set. */
  hold: Promise<void> | undefined
  readonly mostAtOnce: number
}

/** Agents of all sites behind the client's interface. */
export function scriptedAgents(): ScriptedAgents {
  const asked: ScriptedAgents['asked'] = []
  const down = new Set<string>()
  let atOnce = 0
  let mostAtOnce = 0
  const agents: ScriptedAgents = {
    asked,
    down,
    hold: undefined,
    get mostAtOnce() {
      return mostAtOnce
    },
    async audit(ip, request, { signal }) {
      asked.push({ ip, request })
      atOnce += 1
      mostAtOnce = Math.max(mostAtOnce, atOnce)
      try {
        if (agents.hold !== undefined) await Promise.race([agents.hold, aborted(signal)])
        await Promise.resolve()
        if (down.has(ip)) throw new NetworkError('timeout', `PATCH https://${ip}:8326`)
        return { ...healthyReply(request), certificateNotAfterMs: Date.now() + 300 * 86_400_000 }
      } finally {
        atOnce -= 1
      }
    },
    ownership: async () => undefined,
    forget: () => undefined,
  }
  return agents
}

const aborted = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))

/** The real client, over a network that answers audits as told: for sites that answer anything at all. */
export function hostileAgents(
  world: World,
  answer: (ip: string, request: HttpRequest) => HttpResponse | Promise<HttpResponse>,
): DcagentClient {
  const token = {
    token: {
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      issued_at: new Date().toISOString(),
      methods: ['password'],
      user: {},
      roles: [],
    },
  }
  const net = {
    ...world.net,
    async request(request: HttpRequest): Promise<HttpResponse> {
      if (request.url.includes('/v3/auth/tokens'))
        return { status: 201, headers: { 'x-subject-token': 'token' }, body: Buffer.from(JSON.stringify(token)) }
      const response = await answer(new URL(request.url).hostname, request)
      // As the real network does it: no more than the budget is ever buffered.
      if (response.body.length > (request.maxResponseBytes ?? 1_048_576))
        throw new NetworkError('too-large', `PATCH ${new URL(request.url).origin}`)
      return response
    },
  }
  return createDcagentClient({ ...world, net }, { userName: 'dcmanager', password: async () => new Secret('x'), tls: async () => ({}) })
}

export interface FakeFaults extends FaultManagement {
  readonly raisedKeys: Set<string>
  down: boolean
  /** Requests that came while it was down. */
  refused: number
}

/** A fault management in memory that can be down. */
export function fakeFaults(raised: readonly string[] = []): FakeFaults {
  const raisedKeys = new Set(raised)
  const check = (): void => {
    if (!faults.down) return
    faults.refused += 1
    throw new Error('fault management is down')
  }
  const faults: FakeFaults = {
    raisedKeys,
    down: false,
    refused: 0,
    async raised() {
      check()
      return new Set(raisedKeys)
    },
    async raise(alarms) {
      check()
      for (const alarm of alarms) raisedKeys.add(alarmKey(alarm))
    },
    async clear(keys) {
      check()
      for (const key of keys) raisedKeys.delete(key)
    },
  }
  return faults
}
