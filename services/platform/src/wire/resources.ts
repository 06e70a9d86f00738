import { json } from '@murmuration/data'
import type { SiteConfig } from '@murmuration/site'
import type {
  AlarmRow,
  CertificateRow,
  DeviceImageRow,
  DeviceRow,
  HostRow,
  KubeUpgradeRow,
  KubeVersionRow,
  ReleaseRow,
  ServiceGroupRow,
  SystemRow,
} from '../store/schema.ts'

/** Times as the platform API spells them: with their offset. */
export const time = (value: string | null): string | null => (value === null ? null : `${value}+00:00`)

export const system = (row: SystemRow, config: SiteConfig, softwareVersion: string) => ({
  uuid: row.uuid,
  name: row.name,
  description: row.description,
  location: row.location,
  contact: row.contact,
  system_type: 'All-in-one',
  system_mode: config.systemMode,
  region_name: config.region,
  software_version: softwareVersion,
  distributed_cloud_role: config.role === 'system-controller' ? 'systemcontroller' : 'subcloud',
  service_project_name: 'services',
  timezone: 'UTC',
  capabilities: { region_config: true, shared_services: '[]', https_enabled: true },
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
})

export const host = (row: HostRow) => ({
  uuid: row.uuid,
  hostname: row.hostname,
  personality: row.personality,
  subfunctions: row.subfunctions,
  administrative: row.administrative,
  operational: row.operational,
  availability: row.availability,
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
})

export const serviceGroup = (row: ServiceGroupRow) => ({
  uuid: row.uuid,
  service_group_name: row.name,
  name: row.name,
  node_name: row.node_name,
  state: row.state,
  updated_at: time(row.updated_at),
})

export const certificate = (row: Omit<CertificateRow, 'pem'>) => ({
  uuid: row.uuid,
  certtype: row.certtype,
  signature: row.signature,
  subject: row.subject,
  issuer: row.issuer,
  start_date: time(row.start_date),
  expiry_date: time(row.expiry_date),
  is_ca: row.is_ca === 1,
})

export const kubeVersion = (row: KubeVersionRow) => ({ version: row.version, state: row.state, target: row.state === 'active' })

export const kubeUpgrade = (row: KubeUpgradeRow) => ({
  uuid: row.uuid,
  from_version: row.from_version,
  to_version: row.to_version,
  state: row.state,
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
})

export const device = (row: DeviceRow) => ({
  uuid: row.uuid,
  host_uuid: row.host_uuid,
  name: row.name,
  pvendor_id: row.pvendor_id,
  pdevice_id: row.pdevice_id,
  enabled: row.enabled === 1,
  labels: json.read(row.labels),
})

export const deviceImage = (row: DeviceImageRow) => ({
  uuid: row.uuid,
  bitstream_type: row.bitstream_type,
  pci_vendor: row.pci_vendor,
  pci_device: row.pci_device,
  bitstream_id: row.bitstream_id,
  key_signature: row.key_signature,
  revoke_key_id: row.revoke_key_id,
  name: row.name,
  description: row.description,
  image_version: row.image_version,
  applied: row.applied === 1,
  applied_labels: json.read(row.applied_labels),
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
})

export const alarm = (row: AlarmRow) => ({
  uuid: row.uuid,
  alarm_id: row.alarm_id,
  alarm_state: 'set',
  entity_type_id: row.entity_type_id,
  entity_instance_id: row.entity_instance_id,
  timestamp: row.raised_at,
  severity: row.severity,
  reason_text: row.reason_text,
  alarm_type: row.alarm_type,
  probable_cause: row.probable_cause,
  proposed_repair_action: row.proposed_repair_action,
  service_affecting: row.service_affecting === 1,
  suppression: false,
  suppression_status: 'unsuppressed',
  mgmt_affecting: row.mgmt_affecting === 1,
  degrade_affecting: row.degrade_affecting === 1,
})

export const release = (row: ReleaseRow) => ({
  release_id: row.release_id,
  sw_version: row.sw_version,
  state: row.state,
  reboot_required: row.reboot_required === 1,
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
})
