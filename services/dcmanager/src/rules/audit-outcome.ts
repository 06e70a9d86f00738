import type { AuditReport } from './audit-report.ts'
import { nextAvailability } from './availability.ts'
import { isAudited } from './lifecycle.ts'
import { endpointUpdateAllowed, type SubcloudState } from './sync-status.ts'
import { endpointTypes, type AlarmSummary, type EndpointType, type SyncStatus } from './vocabulary.ts'

/** A subcloud's rows, read in the transaction that will write them. */
export interface CurrentState extends SubcloudState {
  readonly subcloudId: number
  readonly revision: number
  readonly softwareVersion: string
  readonly failCount: number
  readonly statuses: ReadonlyMap<EndpointType, SyncStatus>
  readonly alarms: AlarmSummary | undefined
  readonly ownerEpoch: number
}

/** What an audit changes; members that stay as they are are absent. */
export interface AuditOutcome {
  readonly failCount: number
  readonly failureReason: string | null
  readonly availabilityStatus?: SubcloudState['availabilityStatus']
  readonly softwareVersion?: string
  readonly statuses: ReadonlyMap<EndpointType, SyncStatus>
  readonly alarms?: AlarmSummary
  /** It came online just now. */
  readonly cameOnline: boolean
  /** The site is ours under this epoch: our records were older, or younger, than the site. */
  readonly adoptedEpoch?: number
}

export const disabledAlarms: AlarmSummary = {
  critical_alarms: -1,
  major_alarms: -1,
  minor_alarms: -1,
  warnings: -1,
  cloud_status: 'disabled',
}

/** The report was made of another state of the subcloud than the one that stands there now. */
export const isOutdated = (report: AuditReport, current: CurrentState): boolean =>
  report.revision !== current.revision || !isAudited(current.deployStatus, current.availabilityStatus === 'online')

/**
 * What a report makes of a subcloud (reference dcmanager §8.4–§8.6): availability first, endpoints by what is true after it,
 * and of all that only what differs.
 */
export function outcomeOf(report: AuditReport, current: CurrentState, settings: { readonly failuresToOffline: number }): AuditOutcome {
  const { result } = report
  // The site answered, to this very controller: it is asked again at once, under the epoch that it named.
  if ('ours' in result && result.ours && result.ownedBy.epoch !== current.ownerEpoch)
    return { failCount: current.failCount, failureReason: null, statuses: new Map(), cameOnline: false, adoptedEpoch: result.ownedBy.epoch }
  const success = 'endpoints' in result && result.availability === 'online' ? result : undefined
  const next = nextAvailability(
    { status: current.availabilityStatus, failCount: current.failCount },
    success === undefined ? 'failure' : 'success',
    settings.failuresToOffline,
  )
  const after = { ...current, availabilityStatus: next.status }
  const statuses = changedStatuses(after, next.status === 'offline' ? allUnknown : wantedStatuses(success?.endpoints ?? {}, after))
  const alarms = next.status === 'offline' ? disabledAlarms : current.managementState === 'managed' ? success?.alarms : undefined
  return {
    failCount: next.failCount,
    failureReason: success === undefined ? failureOf(result) : null,
    statuses,
    cameOnline: current.availabilityStatus === 'offline' && next.status === 'online',
    ...(next.status === current.availabilityStatus ? {} : { availabilityStatus: next.status }),
    ...(success?.softwareVersion === undefined || success.softwareVersion === current.softwareVersion
      ? {}
      : { softwareVersion: success.softwareVersion }),
    ...(alarms === undefined || sameAlarms(alarms, current.alarms) ? {} : { alarms }),
  }
}

/** Nothing that a caller could see changes. */
export const isUnchanged = (outcome: AuditOutcome): boolean =>
  outcome.availabilityStatus === undefined &&
  outcome.softwareVersion === undefined &&
  outcome.adoptedEpoch === undefined &&
  outcome.alarms === undefined &&
  outcome.statuses.size === 0

const failureOf = (result: AuditReport['result']): string =>
  'failure' in result
    ? result.failure
    : 'ownedBy' in result
      ? `the site names ${result.ownedBy.ownerName} under epoch ${result.ownedBy.epoch} as its controller, which is not newer than ours: it was put back to an earlier state`
      : 'the site answered that some of its service groups are not active'

const allUnknown: ReadonlyMap<EndpointType, SyncStatus> = new Map(endpointTypes.map((type) => [type, 'unknown']))

/** While software is deployed, or after that failed, the comparison of releases means nothing. */
const softwareInDoubt: ReadonlySet<string> = new Set(['sw-deploy-in-progress', 'sw-deploy-apply-strategy-failed'])

function wantedStatuses(
  endpoints: Partial<Record<EndpointType, SyncStatus>>,
  subcloud: SubcloudState,
): ReadonlyMap<EndpointType, SyncStatus> {
  const wanted = new Map(Object.entries(endpoints) as [EndpointType, SyncStatus][])
  if (wanted.has('software') && softwareInDoubt.has(subcloud.deployStatus)) wanted.set('software', 'out-of-sync')
  return wanted
}

/** Those that are allowed now and differ from what stands there. */
export function changedStatuses(
  subcloud: SubcloudState & { readonly statuses: ReadonlyMap<EndpointType, SyncStatus> },
  wanted: ReadonlyMap<EndpointType, SyncStatus>,
): ReadonlyMap<EndpointType, SyncStatus> {
  return new Map(
    [...wanted].filter(
      ([endpoint, status]) => subcloud.statuses.get(endpoint) !== status && endpointUpdateAllowed(endpoint, status, subcloud),
    ),
  )
}

const sameAlarms = (one: AlarmSummary, other: AlarmSummary | undefined): boolean =>
  other !== undefined && (Object.keys(disabledAlarms) as (keyof AlarmSummary)[]).every((key) => one[key] === other[key])
