import type { HttpResponse, TlsIdentity, World } from '@murmuration/world'
import { readAnswer, type Answer } from './answer.ts'
import { requestAuthorised } from './authorised.ts'
import { startDeadline } from './deadline.ts'
import { createKeystoneSession, type KeystoneSession } from './keystone-session.ts'

/** Reference dcmanager §8.3: audit name → reference data. */
export interface DcagentRequest {
  readonly base_audit: ''
  readonly firmware_audit?: readonly unknown[]
  readonly kubernetes_audit?: string
  readonly kube_rootca_audit?: true
  readonly software_audit?: { readonly deployed_release_ids: readonly string[] }
  readonly use_cache?: false
}
export type SyncStatus = 'in-sync' | 'out-of-sync'
export interface DcagentReply {
  readonly base_audit: {
    readonly availability: 'online' | 'offline'
    readonly inactive_sg: readonly string[]
    readonly alarms: {
      readonly critical_alarms: number
      readonly major_alarms: number
      readonly minor_alarms: number
      readonly warnings: number
      readonly cloud_status: 'OK' | 'degraded' | 'critical'
    }
  }
  readonly firmware_audit?: SyncStatus
  readonly kubernetes_audit?: SyncStatus
  readonly kube_rootca_audit?: SyncStatus
  readonly software_audit?: { readonly sync_status: SyncStatus; readonly software_version: string }
  /** When the certificate that the agent showed ends; undefined on plain connections. */
  readonly certificateNotAfterMs?: number
}

/** Who asks: the agent serves the owner of its site only. */
export interface AskingAs {
  readonly system: string
  readonly epoch: number
}

export interface DcagentCall {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** Who manages a site, as its agent says. */
export interface Ownership {
  /** UUID of the system controller's system. */
  readonly owner: string
  readonly ownerName: string
  readonly epoch: number
}
export interface ObservedOwnership extends Ownership {
  /** For how long the agent has not heard its owner. */
  readonly silentMs: number | undefined
}

/** The agent serves somebody else, or us under another epoch. */
export class StaleOwnership extends Error {
  readonly current: Ownership
  constructor(site: string, current: Ownership) {
    super(`${site} is managed by ${current.ownerName} (${current.owner}) under epoch ${current.epoch}`)
    this.name = 'StaleOwnership'
    this.current = current
  }
}

export interface DcagentClient {
  /**
   * `managementIp` is the subcloud's management start address. The deadline covers all of it: the token too, and the second
   * try after a 401. Rejects with NetworkError, AuthenticationFailed, SiteAnswerRefused or StaleOwnership.
   */
  audit(managementIp: string, request: DcagentRequest, options: DcagentCall & { readonly as?: AskingAs }): Promise<DcagentReply>
  /**
   * Who manages the site; undefined when nobody has claimed it. Needs no account there, and takes certificates of `trusted`
   * authorities (PEM) beside our own: after a change of owner the site stands under another one. Rejects as `audit`.
   */
  ownership(managementIp: string, options: DcagentCall & { readonly trusted?: readonly string[] }): Promise<ObservedOwnership | undefined>
  /** Drops the cached token of a site (after a 401, a rename, a delete). */
  forget(managementIp: string): void
}

export interface DcagentClientOptions {
  /** Service account; the same credentials work at every subcloud. Tokens come from https://<ip>:5001/v3, cached (10,000 entries). */
  readonly userName: string
  readonly password: () => Promise<import('@murmuration/trust').Secret>
  /** Read for every use, so that a renewed CA needs no restart. */
  readonly tls: () => Promise<TlsIdentity>
  /** Where subclouds listen; the reference's by default. */
  readonly ports?: { readonly identityTls?: number; readonly dcagentTls?: number }
}

const maxSessions = 10_000
const maxAnswerBytes = 256 * 1024

export function createDcagentClient(world: World, options: DcagentClientOptions): DcagentClient {
  const ports = { identityTls: 5001, dcagentTls: 8326, ...options.ports }
  const sessions = new Map<string, KeystoneSession>()
  const sessionOf = (managementIp: string): KeystoneSession => {
    const known = sessions.get(managementIp)
    if (known !== undefined) return known
    if (sessions.size >= maxSessions) for (const oldest of sessions.keys()) if (sessions.delete(oldest)) break
    const session = createKeystoneSession(
      world,
      {
        authUrl: `https://${inUrl(managementIp)}:${ports.identityTls}/v3`,
        userName: options.userName,
        userDomainName: 'Default',
        password: options.password,
        projectName: 'services',
        projectDomainName: 'Default',
        tls: options.tls,
      },
      { catalog: false },
    )
    sessions.set(managementIp, session)
    return session
  }

  return {
    async audit(managementIp, request, { deadlineMs, signal, as }) {
      const site = `dcagent at ${managementIp}`
      const deadline = startDeadline(world, deadlineMs, site, signal)
      const response = await requestAuthorised(world, sessionOf(managementIp), deadline, {
        method: 'PATCH',
        url: `https://${inUrl(managementIp)}:${ports.dcagentTls}/v1/dcaudit`,
        headers: { 'content-type': 'application/json', ...(as === undefined ? {} : asking(as)) },
        body: JSON.stringify(request),
        maxResponseBytes: maxAnswerBytes,
        tls: await deadline.wait(options.tls()),
        ...(signal === undefined ? {} : { signal }),
      })
      if (response.status === 409) refuseStale(site, response)
      return readReply(site, response, request)
    },
    async ownership(managementIp, { deadlineMs, signal, trusted = [] }) {
      const site = `dcagent at ${managementIp}`
      const deadline = startDeadline(world, deadlineMs, site, signal)
      const own = await deadline.wait(options.tls())
      const response = await world.net.request({
        method: 'GET',
        url: `https://${inUrl(managementIp)}:${ports.dcagentTls}/v1/ownership`,
        headers: { accept: 'application/json' },
        deadlineMs: deadline.remainingMs(),
        maxResponseBytes: maxAnswerBytes,
        tls: trusted.length === 0 ? own : { ...own, ca: [own.ca ?? '', ...trusted].join('\n') },
        oneOff: true,
        ...(signal === undefined ? {} : { signal }),
      })
      const answer = readAnswer(site, response, [200]).object()
      if (answer('owner').missing) return undefined
      return {
        owner: answer('owner').text(36, systemUuid).toLowerCase(),
        ownerName: answer('owner_name').text(255),
        epoch: answer('epoch').integer(1, Number.MAX_SAFE_INTEGER),
        silentMs: answer('owner_silent_ms').missing ? undefined : answer('owner_silent_ms').integer(0, Number.MAX_SAFE_INTEGER),
      }
    },
    forget: (managementIp) => void sessions.delete(managementIp),
  }
}

const systemUuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const asking = ({ system, epoch }: AskingAs): Record<string, string> => ({
  'murmuration-system': system,
  'murmuration-epoch': String(epoch),
})

/** Throws StaleOwnership when the answer names the owner; any other 409 is read like every unexpected status. */
function refuseStale(site: string, { headers }: HttpResponse): void {
  const { 'murmuration-owner': owner = '', 'murmuration-owner-epoch': epoch = '', 'murmuration-owner-name': name = '' } = headers
  if (!systemUuid.test(owner) || !/^[1-9][0-9]{0,14}$/.test(epoch)) return
  throw new StaleOwnership(site, { owner: owner.toLowerCase(), ownerName: nameOf(name), epoch: Number(epoch) })
}

/** What a site calls its owner reaches operators: at most a name's length, nothing that could act on a terminal or a page. */
function nameOf(encoded: string): string {
  try {
    const name = decodeURIComponent(encoded).slice(0, 255)
    return name !== '' && /^[^\p{C}]*$/u.test(name) ? name : 'another controller'
  } catch {
    return 'another controller'
  }
}

const inUrl = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip)

/** Exactly what was asked for, in the agreed types and within bounds (attacks 30): anything else is refused as a whole. */
function readReply(site: string, response: HttpResponse, request: DcagentRequest): DcagentReply {
  const asked = Object.keys(request).filter((name) => name !== 'use_cache')
  const reply = readAnswer(site, response, [200]).object(asked)
  const base = reply('base_audit').object(['availability', 'inactive_sg', 'alarms'])
  const alarms = base('alarms').object(['critical_alarms', 'major_alarms', 'minor_alarms', 'warnings', 'cloud_status'])
  const count = (name: string): number => alarms(name).integer(0, 1_000_000)
  return {
    base_audit: {
      availability: base('availability').oneOf('online', 'offline'),
      inactive_sg: base('inactive_sg')
        .list(64)
        .map((name) => name.text(128, /^[\w .:-]+$/)),
      alarms: {
        critical_alarms: count('critical_alarms'),
        major_alarms: count('major_alarms'),
        minor_alarms: count('minor_alarms'),
        warnings: count('warnings'),
        cloud_status: alarms('cloud_status').oneOf('OK', 'degraded', 'critical'),
      },
    },
    ...(request.firmware_audit === undefined ? {} : { firmware_audit: syncStatus(reply('firmware_audit')) }),
    ...(request.kubernetes_audit === undefined ? {} : { kubernetes_audit: syncStatus(reply('kubernetes_audit')) }),
    ...(request.kube_rootca_audit === undefined ? {} : { kube_rootca_audit: syncStatus(reply('kube_rootca_audit')) }),
    ...(request.software_audit === undefined ? {} : { software_audit: softwareResult(reply('software_audit')) }),
    ...(response.peerCertificateNotAfterMs === undefined ? {} : { certificateNotAfterMs: response.peerCertificateNotAfterMs }),
  }
}

const syncStatus = (answer: Answer): SyncStatus => answer.oneOf('in-sync', 'out-of-sync')

function softwareResult(answer: Answer): { sync_status: SyncStatus; software_version: string } {
  const result = answer.object(['sync_status', 'software_version'])
  return {
    sync_status: syncStatus(result('sync_status')),
    software_version: result('software_version').text(32, /^\d{1,4}(\.\d{1,4}){0,3}$/),
  }
}
