import type { Flag, Json, Timestamp } from '@murmuration/data'
import type { JobTables } from '@murmuration/jobs'
import type { Sealed } from '@murmuration/trust'
import type { Generated } from 'kysely'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { MigrationState } from '../rules/migration.ts'
import {
  endpointTypes,
  type AlarmSummary,
  type AvailabilityStatus,
  type AssociationStatus,
  type EndpointType,
  type HeartbeatFailurePolicy,
  type ManagementState,
  type PeerAvailability,
  type SyncStatus,
} from '../rules/vocabulary.ts'

/** Reference dcmanager §2. What is new beside it says so. Migrations in ./migrations make exactly this. */
export interface Schema extends JobTables {
  subclouds: SubcloudTable
  subcloud_documents: SubcloudDocumentTable
  subcloud_networks: SubcloudNetworkTable
  subcloud_status: SubcloudStatusTable
  subcloud_audits: SubcloudAuditTable
  subcloud_alarms: SubcloudAlarmTable
  subcloud_group: SubcloudGroupTable
  subcloud_changes: SubcloudChangeTable
  system_peer: SystemPeerTable
  subcloud_peer_group: SubcloudPeerGroupTable
  peer_group_association: PeerGroupAssociationTable
  peer_group_member_sync: PeerGroupMemberSyncTable
  peer_group_migration: PeerGroupMigrationTable
  idempotency_keys: IdempotencyKeyTable
  subcloud_backups: SubcloudBackupTable
}

export { endpointTypes, type AvailabilityStatus, type EndpointType, type ManagementState, type SyncStatus }

export interface SubcloudTable {
  id: Generated<number>
  name: string
  description: string | null
  location: string | null
  software_version: string
  management_state: ManagementState
  availability_status: AvailabilityStatus
  deploy_status: DeployStatus
  backup_status: string | null
  backup_datetime: Timestamp | null
  prestage_status: string | null
  prestage_versions: string | null
  error_description: string
  /** 32 hex digits, immutable, unique. */
  region_name: string
  management_subnet: string
  management_gateway_ip: string
  management_start_ip: string
  management_end_ip: string
  systemcontroller_gateway_ip: string
  external_oam_subnet_ip_family: '4' | '6' | null
  openstack_installed: Flag
  first_identity_sync_complete: Flag
  enrolled_with_vcsr: Flag
  rehomed: Flag
  group_id: number
  peer_group_id: number | null
  /** JSON text of the install values for replies: `bmc_password` and whatever else may be a secret stands there as `***`. */
  data_install: string | null
  /** New: what the reference keeps in the inventory file. */
  bootstrap_address: string | null
  /** New: the reference's `initial_deployment` inventory flag; phased verbs, abort and resume need it. */
  initial_deployment: Flag
  /** New: counts every change of this row; a compare-and-set key and an ETag. */
  revision: number
  /** New: counts changes of what is replicated to peer sites (rules/replicated.ts); what a sync compares. */
  document_revision: Generated<number>
  /** New: the epoch under which this controller manages the subcloud, as its agent knows it; 0 while it has none. */
  owner_epoch: Generated<number>
  /** New: the system that the subcloud's agent named when it refused us as a former owner; null when none did. */
  fenced_by: string | null
  created_at: Timestamp
  updated_at: Timestamp | null
}

/** New: what operators hand in, whole and sealed, because passwords may stand anywhere in it. */
export interface SubcloudDocumentTable {
  subcloud_id: number
  kind: 'bootstrap_values' | 'install_values' | 'deploy_config' | 'rehome_data'
  /** JSON text of the parsed document; context `subcloud:<id>:<kind>`. */
  sealed: Sealed
  updated_at: Timestamp
}

/**
 * New: the address ranges that a subcloud holds, as keys that sort as addresses do, so that "does it overlap another one" is one
 * indexed query. `next` is what a running network reconfiguration has reserved. Written by ./networks.ts only.
 */
export interface SubcloudNetworkTable {
  subcloud_id: number
  purpose: 'current' | 'next'
  /** Of start and end address, and of the subnet's first and last. */
  first_key: string
  last_key: string
  subnet_first_key: string
  subnet_last_key: string
}

/** Unique (subcloud_id, endpoint_type). */
export interface SubcloudStatusTable {
  id: Generated<number>
  subcloud_id: number
  endpoint_type: EndpointType
  sync_status: SyncStatus
  created_at: Timestamp
  updated_at: Timestamp | null
}

/** One row a subcloud. A worker claims due rows with a lease; there is no global tick. */
export interface SubcloudAuditTable {
  subcloud_id: number
  next_audit_at: Timestamp
  lease_owner: string | null
  lease_until: Timestamp | null
  audit_started_at: Timestamp | null
  audit_finished_at: Timestamp | null
  /** Consecutive failures, saturates at 9999. */
  audit_fail_count: number
  /** New: why the last audit failed, for people (no data of the site in it); null after a success. */
  failure_reason: string | null
  state_update_requested: Flag
  firmware_audit_requested: Flag
  kubernetes_audit_requested: Flag
  kube_rootca_update_audit_requested: Flag
  software_audit_requested: Flag
}

export interface SubcloudAlarmTable extends AlarmSummary {
  subcloud_id: number
  uuid: string
  created_at: Timestamp
  updated_at: Timestamp | null
}

export interface SubcloudGroupTable {
  id: Generated<number>
  name: string
  description: string
  update_apply_type: 'parallel' | 'serial'
  max_parallel_subclouds: number
  created_at: Timestamp
  updated_at: Timestamp | null
}

/**
 * New: the change stream. Written in the transaction that makes the change, after `tx.lock('subcloud_changes')`, so that
 * `seq` follows the order of commits and a reader that resumes misses nothing.
 */
export interface SubcloudChangeTable {
  seq: Generated<number>
  subcloud_id: number
  kind: 'created' | 'updated' | 'deleted'
  /** Names and new values of the public fields that changed; never a secret. */
  fields: Json<Record<string, unknown>>
  at: Timestamp
}

/** New: replays the first answer of a repeated request (attacks 27). */
export interface IdempotencyKeyTable {
  user_id: string
  key: string
  /** Sealed, because a digest of a request with a short password in it can be searched for. Context `idempotency:<user>:<key>`. */
  request_digest: Sealed
  status: number
  body: string
  created_at: Timestamp
}

/** Another system controller (reference dcmanager §1.14, §7.1). Its password is sealed: context `system-peer:<peer_uuid>:password`. */
export interface SystemPeerTable {
  id: Generated<number>
  /** System UUID of the other controller. */
  peer_uuid: string
  peer_name: string
  manager_endpoint: string
  manager_username: string
  manager_password: Sealed
  peer_controller_gateway_ip: string
  administrative_state: 'enabled' | 'disabled'
  heartbeat_interval: number
  heartbeat_failure_threshold: number
  heartbeat_failure_policy: HeartbeatFailurePolicy
  heartbeat_maintenance_timeout: number
  availability_state: PeerAvailability
  /** New: what a takeover by itself logs in with; null until an operator gives it. Context `system-peer:<peer_uuid>:sysadmin_password`. */
  rehome_sysadmin_password: Sealed | null
  /** New: the peer's certificate authority (PEM), told by peers of this kind; null for others. */
  authority_pem: string | null
  /** New: the monitor's own: a row is leased as audits are, so that any number of managers share the peers. */
  heartbeat_failures: number
  next_heartbeat_at: Timestamp
  lease_owner: string | null
  lease_until: Timestamp | null
  last_heard_at: Timestamp | null
  unavailable_since: Timestamp | null
  failure_reason: string | null
  created_at: Timestamp
  updated_at: Timestamp | null
}

/** Reference dcmanager §1.12, §7.1. Priority 0: this site owns the group; above: a standby copy. */
export interface SubcloudPeerGroupTable {
  id: Generated<number>
  peer_group_name: string
  group_priority: number
  group_state: 'enabled' | 'disabled'
  max_subcloud_rehoming: number
  /** System UUID of the controller that manages the members now. */
  system_leader_id: string
  system_leader_name: string
  migration_status: 'migrating' | 'complete' | null
  /** New: counts changes of the replicated document: the group's own members and those of its subclouds. */
  revision: number
  /** New: until then peers may have a change that is not made here yet; null while none is told. Written by store/peer-groups.ts only. */
  push_until: Timestamp | null
  created_at: Timestamp
  updated_at: Timestamp | null
}

/**
 * Reference dcmanager §1.13. On the owning site (`primary`) the status that callers see is derived from these facts
 * (rules/association-status.ts); on the other it is what the owner reported last.
 */
export interface PeerGroupAssociationTable {
  id: Generated<number>
  peer_group_id: number
  system_peer_id: number
  association_type: 'primary' | 'non-primary'
  /** Null on a non-primary one. */
  peer_group_priority: number | null
  /** Primary: revision of the group that the peer has confirmed in whole; 0 before the first. Non-primary: the one that came last. */
  synced_revision: number
  /** Primary: why the last sync failed; null after a good one, and when something newer makes it void. */
  sync_failure: string | null
  /** Primary: the peer's `migration_status` as its last answer said, while this site has not drawn its conclusions. */
  remote_migration: 'migrating' | 'complete' | null
  /** Primary: what the peer's copy was last known to say, so that only a difference is written. Non-primary: what the owner reported. */
  reported_status: AssociationStatus | null
  /** Non-primary: the text that belongs to `reported_status`. */
  reported_message: string | null
  created_at: Timestamp
  updated_at: Timestamp | null
}

/** New: what the peer has of each member, so that a sync sends what differs and goes on where it was. */
export interface PeerGroupMemberSyncTable {
  association_id: number
  region_name: string
  /** `document_revision` of the subcloud that the peer has confirmed. */
  synced_revision: number
  /** Why the last attempt failed; null when it did not. */
  failure: string | null
  updated_at: Timestamp
}
/**
 * New: what archives there are of a subcloud. The reference looks into folders; with a row, quota, retention and "is there one" are
 * questions to the database, and a file that was changed is noticed. `id` is that of the job that made it.
 */
export interface SubcloudBackupTable {
  id: string
  subcloud_id: number
  release: string
  storage: BackupStorage
  /** `storing`: its place is reserved and its job lives; only `stored` ones can be restored. */
  state: 'storing' | 'stored'
  file_name: string
  /** While it is being stored: what is reserved for it. */
  bytes: number
  /** Hex. Null while it is being stored, and for archives of foreign playbooks at the subcloud. */
  sha256: string | null
  /** As the archiver wrote it; null for archives of foreign playbooks. */
  manifest: Json<unknown> | null
  registry_images: Flag
  created_at: Timestamp
}

export type BackupStorage = 'central' | 'local'

/** New: how far the last migration of a group has come with each member; replaced by the next one. */
export interface PeerGroupMigrationTable {
  peer_group_id: number
  subcloud_id: number
  /** The job `peer-group.migrate`. */
  job_id: string
  state: MigrationState
  /** Why it failed or was refused; null otherwise. */
  reason: string | null
  updated_at: Timestamp
}
