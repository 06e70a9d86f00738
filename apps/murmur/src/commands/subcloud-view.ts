import type { SubcloudBody } from '../api/types.ts'
import type { Row } from '../output/format.ts'

export const listColumns = ['id', 'name', 'management', 'availability', 'deploy status', 'sync', 'backup status', 'prestage status']

export const listRow = (subcloud: SubcloudBody): Row => ({
  id: subcloud.id,
  name: subcloud.name,
  management: subcloud['management-state'],
  availability: subcloud['availability-status'],
  'deploy status': subcloud['deploy-status'],
  sync: subcloud.sync_status ?? 'unknown',
  'backup status': subcloud['backup-status'],
  'prestage status': subcloud['prestage-status'],
})

/** All that is known of one, in the order of the field's own client. */
export function showFields(subcloud: SubcloudBody): Row {
  const endpoints = (subcloud.endpoint_sync_status ?? []).map((entry) => [`${entry.endpoint_type}_sync_status`, entry.sync_status])
  return {
    id: subcloud.id,
    name: subcloud.name,
    description: subcloud.description,
    location: subcloud.location,
    software_version: subcloud['software-version'],
    management: subcloud['management-state'],
    availability: subcloud['availability-status'],
    deploy_status: subcloud['deploy-status'],
    management_subnet: subcloud['management-subnet'],
    management_start_ip: subcloud['management-start-ip'],
    management_end_ip: subcloud['management-end-ip'],
    management_gateway_ip: subcloud['management-gateway-ip'],
    systemcontroller_gateway_ip: subcloud['systemcontroller-gateway-ip'],
    group_id: subcloud.group_id,
    peer_group_id: subcloud.peer_group_id,
    created_at: subcloud['created-at'],
    updated_at: subcloud['updated-at'],
    backup_status: subcloud['backup-status'],
    backup_datetime: subcloud['backup-datetime'],
    prestage_status: subcloud['prestage-status'],
    prestage_versions: subcloud['prestage-versions'],
    ...Object.fromEntries(endpoints),
    ...(subcloud.oam_floating_ip === undefined ? {} : { oam_floating_ip: subcloud.oam_floating_ip }),
    ...(subcloud.deploy_config_sync_status === undefined ? {} : { deploy_config_sync_status: subcloud.deploy_config_sync_status }),
    region_name: subcloud['region-name'],
  }
}
