import type { Fleet } from '../fleet/fleet.ts'
import { failuresToOffline, networkOf, siteAt, times } from '../fleet/places.ts'
import type { JobCheck } from './jobs.ts'
import type { Reader, SubcloudRow } from './reader.ts'
import { Violation } from './violation.ts'

/*
 * Bounds after the last fault, from the constants of the product. A backward step of the clock may leave times in the database that
 * lie ahead; up to two leases and intervals of an audit, and four leases of a job, they are believed.
 */
const clockDebtMs = 2 * (times.auditLease + times.auditInterval)
/** Leases run out, and then three phases of at most four tasks with a lock that is let go within seconds. */
export const jobsEndWithinMs = clockDebtMs + 90_000
/** One audit finds out, a second one asks for everything, two failures make offline. */
export const auditsTellWithinMs = clockDebtMs + 3 * times.auditInterval + times.auditLease + 2 * times.auditDeadline

/** Those that a fleet's audits own. Identity and platform belong to the orchestrator. */
const audited: ReadonlySet<string> = new Set(['dc-cert', 'firmware', 'kubernetes', 'kube-rootca', 'software'])
const auditedResting: ReadonlySet<string> = new Set([
  'complete',
  'pre-install-failed',
  'install-failed',
  'install-aborted',
  'pre-config-failed',
  'config-failed',
  'config-aborted',
])

/** Where the site really is: whether an audit of this row must reach it. */
export function reachable(fleet: Fleet, row: SubcloudRow): boolean {
  const site = fleet.site(siteAt(row.management_start_ip))
  return site.alive && site.network !== undefined && networkOf(site.site, site.network).start === row.management_start_ip
}

/** What is not yet as it should be; empty when all is well. */
export function unsettled(fleet: Fleet, reader: Reader, jobs: JobCheck): string[] {
  const waiting = jobs.live.map((job) => `${job.kind} of ${job.subject} is still ${job.state}`)
  if (waiting.length > 0) return waiting
  const statuses = Map.groupBy(reader.statuses(), (row) => row.subcloud_id)
  return reader.subclouds().flatMap((row) => {
    if (!auditedResting.has(row.deploy_status)) return []
    const should = reachable(fleet, row) ? 'online' : 'offline'
    if (row.availability_status !== should) return [`subcloud ${row.id} is ${row.availability_status}, and its site is ${should}`]
    if (should === 'offline' || row.management_state !== 'managed') return []
    return (statuses.get(row.id) ?? [])
      .filter((status) => audited.has(status.endpoint_type) && status.sync_status !== 'in-sync')
      .map((status) => `subcloud ${row.id} is online and managed, and its ${status.endpoint_type} is ${status.sync_status}`)
  })
}

/** In-sync is a promise: never of a site that is not online, nor (the certificate apart) of one that is not managed. */
export function promisesHold(reader: Reader): void {
  for (const { id, endpoint_type: endpoint, availability_status: availability, management_state: management } of reader.brokenPromises())
    throw new Violation('in-sync-promise', `subcloud ${id} is ${management} and ${availability}, and its ${endpoint} is in-sync`)
}

/** What fault management shows is what the rows call for: an alarm for every deployed site that is offline, and for nobody else. */
export function alarmsTell(fleet: Fleet, reader: Reader): void {
  const offline = reader
    .subclouds()
    .filter((row) => row.availability_status === 'offline' && (row.management_state === 'managed' || row.deploy_status === 'complete'))
    .filter((row) => reader.failCount(row.id) >= failuresToOffline)
    .map((row) => `280.001 subcloud=${row.name}`)
  const raised = [...fleet.platform.alarms.keys()].filter((key) => key.startsWith('280.001 '))
  const missing = offline.filter((key) => !raised.includes(key))
  const stale = raised.filter((key) => !offline.includes(key))
  if (missing.length > 0 || stale.length > 0)
    throw new Violation(
      'alarms',
      `alarms that are missing: ${missing.join(', ') || 'none'}; that nobody calls for: ${stale.join(', ') || 'none'}`,
    )
}

/** Audits of a calm fleet are spread: no second of the window has more than half of them, and each site is asked once an interval. */
export function auditsSpread(fleet: Fleet, fromMs: number, toMs: number): void {
  const times_ = fleet.agents().map((agent) => agent.audited.filter((atMs) => atMs >= fromMs && atMs < toMs))
  const all = times_.flat()
  const bySecond = Map.groupBy(all, (atMs) => Math.floor(atMs / 1_000))
  const most = Math.max(0, ...[...bySecond.values()].map((each) => each.length))
  const sites = times_.filter((each) => each.length > 0).length
  if (sites >= 8 && most > sites / 2) throw new Violation('audits-spread', `${most} of ${sites} sites were audited within one second`)
  const intervals = (toMs - fromMs) / times.auditInterval
  for (const [index, each] of times_.entries())
    if (each.length > intervals + 2)
      throw new Violation('audits-spread', `site ${index + 1} was audited ${each.length} times in ${intervals} intervals`)
}
