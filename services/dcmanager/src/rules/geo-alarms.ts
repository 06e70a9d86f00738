import { alarmIds, type Alarm } from './sync-status.ts'

export interface PeerAlarmSubject {
  readonly uuid: string
  readonly name: string
  readonly failureReason: string | null
  /** Groups here that the peer manages now, by name. */
  readonly leads: readonly string[]
}

/** A peer that is unavailable (reference dcmanager §7.3): critical when it manages groups of ours, since nobody looks after them then. */
export const unavailablePeerAlarm = ({ uuid, name, failureReason, leads }: PeerAlarmSubject): Alarm => ({
  alarmId: alarmIds.peerUnavailable,
  entityInstanceId: `peer=${uuid}`,
  severity: leads.length > 0 ? 'critical' : 'major',
  reasonText: `Peer ${name} is in disconnected state${failureReason === null ? '' : `: ${failureReason}`}.${
    leads.length > 0 ? ` The following subcloud peer groups are impacted: ${leads.join(', ')}.` : ''
  }`,
})

/** The members of a group that this site owns are managed by a standby site (reference dcmanager §7.10): somebody may want to take them back. */
export const ledElsewhereAlarm = (group: { readonly name: string; readonly leaderId: string; readonly leaderName: string }): Alarm => ({
  alarmId: alarmIds.groupLedElsewhere,
  entityInstanceId: `peer_group=${group.name},peer=${group.leaderId}`,
  severity: 'major',
  reasonText: `Subcloud peer group ${group.name} is managed by remote system ${group.leaderName} with a lower priority.`,
})
