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
