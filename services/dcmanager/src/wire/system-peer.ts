import type { Takeover } from '../rules/takeover.ts'
import type { SystemPeerRow } from '../store/system-peers.ts'

/** `Y` of reference dcmanager §1.5: replies are kebab-case, no password in them. The last four are new; other clients pass over them. */
export const systemPeerToWire = (row: SystemPeerRow, takeover: Pick<Takeover, 'state' | 'reason'>): object => ({
  id: row.id,
  'peer-uuid': row.peer_uuid,
  'peer-name': row.peer_name,
  'manager-endpoint': row.manager_endpoint,
  'manager-username': row.manager_username,
  'peer-controller-gateway-address': row.peer_controller_gateway_ip,
  'administrative-state': row.administrative_state,
  'heartbeat-interval': row.heartbeat_interval,
  'heartbeat-failure-threshold': row.heartbeat_failure_threshold,
  'heartbeat-failure-policy': row.heartbeat_failure_policy,
  'heartbeat-maintenance-timeout': row.heartbeat_maintenance_timeout,
  'availability-state': row.availability_state,
  'created-at': row.created_at,
  'updated-at': row.updated_at,
  'last-heard-at': row.last_heard_at,
  'failure-reason': row.failure_reason,
  'takeover-state': takeover.state,
  'takeover-reason': takeover.reason,
})
