/** The wire shapes that the command reads (reference dcmanager §1.5). */
export interface SubcloudBody {
  readonly id: number
  readonly name: string
  readonly description: string | null
  readonly location: string | null
  readonly 'software-version': string
  readonly 'management-state': string
  readonly 'availability-status': string
  readonly 'deploy-status': string
  readonly 'backup-status': string | null
  readonly 'backup-datetime': string | null
  readonly 'prestage-status': string | null
  readonly 'prestage-versions': string | null
  readonly 'error-description': string
  readonly 'region-name': string
  readonly 'management-subnet': string
  readonly 'management-start-ip': string
  readonly 'management-end-ip': string
  readonly 'management-gateway-ip': string
  readonly 'systemcontroller-gateway-ip': string
  readonly group_id: number
  readonly peer_group_id: number | null
  readonly 'created-at': string
  readonly 'updated-at': string | null
  readonly sync_status?: string
  readonly endpoint_sync_status?: readonly { readonly endpoint_type: string; readonly sync_status: string }[]
  readonly oam_floating_ip?: string
  readonly deploy_config_sync_status?: string
  readonly info_message?: string
}

export interface GroupBody {
  readonly id: number
  readonly name: string
  readonly description: string
  readonly update_apply_type: string
  readonly max_parallel_subclouds: number
  readonly 'created-at': string
  readonly 'updated-at': string | null
}

export interface PeerGroupBody {
  readonly id: number
  readonly peer_group_name: string
  readonly group_priority: number
  readonly group_state: string
  readonly max_subcloud_rehoming: number
  readonly system_leader_id: string
  readonly system_leader_name: string
  readonly migration_status: string | null
  readonly 'created-at': string
  readonly 'updated-at': string | null
  readonly info_message?: string
}

export interface PeerGroupStatusBody {
  readonly peer_group_id: number
  readonly peer_group_name: string
  readonly total_subclouds: number
  readonly complete: number
  readonly waiting_for_migrate: number
  readonly rehoming: number
  readonly rehome_failed: number
  readonly managed: number
  readonly unmanaged: number
}

export interface AssociationBody {
  readonly id: number
  readonly 'peer-group-id': number
  readonly 'system-peer-id': number
  readonly 'peer-group-priority': number | null
  readonly 'association-type': string
  readonly 'sync-status': string
  readonly 'sync-message'?: string | null
  readonly 'created-at': string
  readonly 'updated-at': string | null
}

export interface SystemPeerBody {
  readonly id: number
  readonly 'peer-uuid': string
  readonly 'peer-name': string
  readonly 'manager-endpoint': string
  readonly 'manager-username': string
  readonly 'peer-controller-gateway-address': string
  readonly 'administrative-state': string
  readonly 'heartbeat-interval': number
  readonly 'heartbeat-failure-threshold': number
  readonly 'heartbeat-failure-policy': string
  readonly 'heartbeat-maintenance-timeout': number
  readonly 'availability-state': string
  readonly 'last-heard-at'?: string | null
  readonly 'failure-reason'?: string | null
  readonly 'takeover-state'?: string | null
  readonly 'takeover-reason'?: string | null
  readonly 'created-at': string
  readonly 'updated-at': string | null
  readonly info_message?: string
}

export interface OperationBody {
  readonly id: string
  readonly kind: string
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  readonly progress: string | null
  readonly error: string | null
  readonly 'created-at': string
  readonly 'started-at': string | null
  readonly 'finished-at': string | null
  readonly steps?: readonly { readonly name: string; readonly 'started-at': string; readonly 'finished-at': string }[]
  readonly 'log-tail'?: readonly string[]
}

export interface AlarmBody {
  readonly region_name: string
  readonly critical_alarms: number
  readonly major_alarms: number
  readonly minor_alarms: number
  readonly warnings: number
  readonly cloud_status: string
}

export interface SystemPeerBody {
  readonly id: number
  readonly 'peer-uuid': string
  readonly 'peer-name': string
  readonly 'availability-state': string
}

export interface PeerGroupBody {
  readonly id: number
  readonly peer_group_name: string
  readonly group_priority: number
  readonly system_leader_name: string
  readonly migration_status: string | null
}

export interface AssociationBody {
  readonly id: number
  readonly 'peer-group-id': number
  readonly 'system-peer-id': number
  readonly 'association-type': string
  readonly 'sync-status': string
  readonly 'sync-message'?: string | null
}
