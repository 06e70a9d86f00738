/** The words of the field for what a subcloud is (reference dcmanager §3.1). */
export type ManagementState = 'unmanaged' | 'managed'
export type AvailabilityStatus = 'offline' | 'online'
export type SyncStatus = 'unknown' | 'in-sync' | 'out-of-sync'

export const endpointTypes = ['platform', 'identity', 'dc-cert', 'firmware', 'kubernetes', 'kube-rootca', 'software'] as const
export type EndpointType = (typeof endpointTypes)[number]

/** Counts of a subcloud's active alarms; −1 and `disabled` while they are not collected. */
export interface AlarmSummary {
  critical_alarms: number
  major_alarms: number
  minor_alarms: number
  warnings: number
  cloud_status: 'OK' | 'degraded' | 'critical' | 'disabled'
}

/** Between system controllers (reference dcmanager §3.1, §3.7). */
export type PeerAvailability = 'created' | 'available' | 'unavailable'
export const heartbeatFailurePolicies = ['alarm', 'rehome', 'delegate'] as const
export type HeartbeatFailurePolicy = (typeof heartbeatFailurePolicies)[number]
export const associationStatuses = ['syncing', 'in-sync', 'failed', 'out-of-sync', 'unknown'] as const
export type AssociationStatus = (typeof associationStatuses)[number]
