import type { Flag, Json, Queryable, Timestamp } from '@murmuration/data'

/** What the site owns itself. What its configuration owns (networks, region, mode) is read from there and not copied. */
export interface Schema {
  systems: SystemRow
  hosts: HostRow
  service_groups: ServiceGroupRow
  certificates: CertificateRow
  kube_versions: KubeVersionRow
  kube_upgrades: KubeUpgradeRow
  devices: DeviceRow
  device_images: DeviceImageRow
  device_image_states: DeviceImageStateRow
  alarms: AlarmRow
  releases: ReleaseRow
  ownership: OwnershipRow
}

export type Db = Queryable<Schema>

export interface SystemRow {
  /** Always 1: a site has one system. */
  slot: number
  uuid: string
  name: string
  description: string | null
  location: string | null
  contact: string | null
  created_at: Timestamp
  updated_at: Timestamp | null
}

export interface HostRow {
  uuid: string
  hostname: string
  personality: 'controller' | 'worker' | 'storage' | 'edgeworker'
  subfunctions: string
  administrative: 'unlocked' | 'locked'
  operational: 'enabled' | 'disabled'
  availability: HostAvailability
  created_at: Timestamp
  updated_at: Timestamp | null
}
export type HostAvailability = 'available' | 'degraded' | 'online' | 'offline' | 'failed' | 'intest' | 'power-off'

export interface ServiceGroupRow {
  uuid: string
  name: string
  node_name: string
  state: 'active' | 'standby' | 'disabled'
  updated_at: Timestamp | null
}

export interface CertificateRow {
  uuid: string
  certtype: string
  signature: string
  subject: string
  issuer: string
  start_date: Timestamp
  expiry_date: Timestamp
  is_ca: Flag
  pem: string
  created_at: Timestamp
}

export interface KubeVersionRow {
  version: string
  state: 'active' | 'available' | 'unavailable'
}

export interface KubeUpgradeRow {
  /** Always 1: one upgrade at a time, kept by the engine. */
  slot: number
  uuid: string
  from_version: string
  to_version: string
  state: string
  created_at: Timestamp
  updated_at: Timestamp | null
}

export interface DeviceRow {
  uuid: string
  host_uuid: string
  name: string
  pvendor_id: string
  pdevice_id: string
  enabled: Flag
  labels: Json<Record<string, string>>
  created_at: Timestamp
}

export interface DeviceImageRow {
  uuid: string
  bitstream_type: string
  pci_vendor: string
  pci_device: string
  bitstream_id: string | null
  key_signature: string | null
  revoke_key_id: number | null
  name: string | null
  description: string | null
  image_version: string | null
  applied: Flag
  applied_labels: Json<Record<string, string>>
  created_at: Timestamp
  updated_at: Timestamp | null
}

export interface DeviceImageStateRow {
  device_uuid: string
  image_uuid: string
  status: 'pending' | 'in-progress' | 'completed' | 'failed'
  updated_at: Timestamp
}

export interface AlarmRow {
  uuid: string
  alarm_id: string
  entity_type_id: string
  entity_instance_id: string
  severity: 'critical' | 'major' | 'minor' | 'warning'
  reason_text: string
  alarm_type: string
  probable_cause: string
  proposed_repair_action: string
  service_affecting: Flag
  mgmt_affecting: Flag
  degrade_affecting: Flag
  raised_at: Timestamp
}

export interface ReleaseRow {
  release_id: string
  /** `26.09.0`. */
  sw_version: string
  state: string
  reboot_required: Flag
  created_at: Timestamp
  updated_at: Timestamp | null
}

/** Which system controller manages this site (at most one row). */
export interface OwnershipRow {
  /** Always 1. */
  slot: number
  owner: string
  owner_name: string
  epoch: number
  claimed_at: Timestamp
  /** Its last request that was served, to some seconds. */
  last_heard_at: Timestamp | null
  /** The last one who was refused, while this owner has the site; null where it did not say who it is. */
  refused_system: string | null
  refused_epoch: number | null
  refused_at: Timestamp | null
  refused_count: number
}
