import { alarmingBackupStatus } from './backup-status.ts'
import type { DeployStatus } from './lifecycle.ts'
import type { AvailabilityStatus, EndpointType, ManagementState, SyncStatus } from './vocabulary.ts'

export interface SubcloudState {
  readonly managementState: ManagementState
  readonly availabilityStatus: AvailabilityStatus
  readonly deployStatus: DeployStatus
}

/**
 * Whether an endpoint may be given this status now (reference dcmanager §8.6). In-sync is a promise: it needs a site that is
 * online and managed; certificates are looked after before that. A standby copy knows nothing of its site.
 */
export function endpointUpdateAllowed(endpoint: EndpointType, status: SyncStatus, subcloud: SubcloudState): boolean {
  if (subcloud.deployStatus === 'secondary') return status === 'unknown'
  if (status !== 'in-sync') return true
  return subcloud.availabilityStatus === 'online' && (subcloud.managementState === 'managed' || endpoint === 'dc-cert')
}

/** The value that all endpoints share, else out-of-sync (reference dcmanager §1.7). */
export function aggregateSyncStatus(statuses: readonly SyncStatus[]): SyncStatus {
  const first = statuses[0] ?? 'unknown'
  return statuses.every((status) => status === first) ? first : 'out-of-sync'
}

/** What stays when a subcloud is unmanaged: its certificate is still ours to watch (reference dcmanager §4.6). */
export const keptWhenUnmanaged: readonly EndpointType[] = ['dc-cert']

/**
 * Sites renew their certificate 720 h before its end (reference dcmanager §4.3). One with half of that left was forgotten, and
 * there is still time to look after it.
 */
export const certificateOverdueMs = 360 * 3_600_000

/**
 * The dc-cert status of a site whose certificate was verified under the controller's authority: out-of-sync when its renewal is
 * overdue. Undefined when no certificate was shown (plain connections): nothing is known then.
 */
export function certificateStatus(notAfterMs: number | undefined, nowMs: number): SyncStatus | undefined {
  if (notAfterMs === undefined) return undefined
  return notAfterMs - nowMs > certificateOverdueMs ? 'in-sync' : 'out-of-sync'
}

// --- alarms ------------------------------------------------------------------------------------------------------

/** Ids of the field's fault management for these conditions; only `fenced` is ours. */
export const alarmIds = {
  offline: '280.001',
  outOfSync: '280.002',
  backupFailed: '280.003',
  peerUnavailable: '280.004',
  groupLedElsewhere: '280.005',
  fenced: '280.022',
} as const
export type AlarmId = (typeof alarmIds)[keyof typeof alarmIds]

export interface Alarm {
  readonly alarmId: AlarmId
  readonly entityInstanceId: string
  readonly severity: 'critical' | 'major' | 'minor'
  readonly reasonText: string
}

export interface AlarmSubject extends SubcloudState {
  readonly name: string
  readonly failCount: number
  readonly failureReason: string | null
  readonly outOfSync: readonly EndpointType[]
  /** Name of the controller that has taken it over without this one having given it up; undefined: nobody has. */
  readonly fencedBy?: string
  readonly backupStatus: string | null
}

/**
 * The alarms that a subcloud's rows call for (reference dcmanager §8.6). Offline is an alarm when the site should be up: it is
 * managed, or deployed completely, and as many audits failed as it
 * takes to go offline. One that is still being built, or a standby copy, raises none; but for one that became a standby copy because
 * its site refused this controller.
 */
export function wantedAlarms(subcloud: AlarmSubject, failuresToOffline: number): Alarm[] {
  if (subcloud.deployStatus === 'secondary') return subcloud.fencedBy === undefined ? [] : [fencedAlarm(subcloud.name, subcloud.fencedBy)]
  const alarms = subcloud.outOfSync.map((endpoint): Alarm => outOfSyncAlarm(subcloud.name, endpoint))
  // It stands until the next backup begins, or backups are deleted (reference §3.4).
  if (subcloud.backupStatus === alarmingBackupStatus) alarms.push(backupFailedAlarm(subcloud.name))
  return offlineIsAlarming(subcloud, failuresToOffline) ? [offlineAlarm(subcloud), ...alarms] : alarms
}

const offlineIsAlarming = (subcloud: AlarmSubject, failuresToOffline: number): boolean =>
  subcloud.availabilityStatus === 'offline' &&
  subcloud.failCount >= failuresToOffline &&
  (subcloud.managementState === 'managed' || subcloud.deployStatus === 'complete')

const offlineAlarm = (subcloud: AlarmSubject): Alarm => ({
  alarmId: alarmIds.offline,
  entityInstanceId: `subcloud=${subcloud.name}`,
  severity: 'critical',
  reasonText: `${subcloud.name} is offline${subcloud.failureReason === null ? '' : `: ${subcloud.failureReason}`}`,
})

const fencedAlarm = (name: string, owner: string): Alarm => ({
  alarmId: alarmIds.fenced,
  entityInstanceId: `subcloud=${name}`,
  severity: 'major',
  reasonText: `${name} is managed by ${owner}: this controller was refused as its former owner and keeps a standby copy`,
})

const outOfSyncAlarm = (name: string, endpoint: EndpointType): Alarm => ({
  alarmId: alarmIds.outOfSync,
  entityInstanceId: `subcloud=${name}.resource=${endpoint}`,
  severity: 'major',
  reasonText: `${name} ${endpoint} sync_status is out-of-sync`,
})

const backupFailedAlarm = (name: string): Alarm => ({
  alarmId: alarmIds.backupFailed,
  entityInstanceId: `subcloud=${name}`,
  severity: 'minor',
  reasonText: `The last backup of ${name} failed`,
})

/** One alarm is named by what it says and about what. */
export const alarmKey = (alarm: { readonly alarmId: string; readonly entityInstanceId: string }): string =>
  `${alarm.alarmId} ${alarm.entityInstanceId}`

/** Alarms of these ids on these entities are ours to clear; others at the same fault management are not touched. */
export const isOurAlarm = (alarm: { readonly alarmId: string; readonly entityInstanceId: string }): boolean =>
  (Object.values(alarmIds) as string[]).includes(alarm.alarmId) && /^(subcloud|peer|peer_group)=/.test(alarm.entityInstanceId)

/** Type of the entity, as fault management wants it: `subcloud=a.resource=b` is about a subcloud. */
export const entityTypeOf = (alarm: Pick<Alarm, 'entityInstanceId'>): string =>
  alarm.entityInstanceId.slice(0, alarm.entityInstanceId.indexOf('='))
