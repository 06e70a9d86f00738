import type { Sealed } from '@murmuration/trust'

/**
 * Long work on one subcloud: each is a durable job whose exclusive key is `subcloud:<id>`, so two can never meet.
 * All deploy flows are one runner over a list of phases (reference dcmanager §1.8, §3.2 flows).
 */
export type Phase = 'create' | 'install' | 'bootstrap' | 'configure' | 'complete'

export const deployOperations = [
  'subcloud.add',
  'subcloud.create',
  'subcloud.install',
  'subcloud.bootstrap',
  'subcloud.configure',
  'subcloud.resume',
  'subcloud.redeploy',
] as const
export type DeployOperation = (typeof deployOperations)[number]
export type SubcloudOperation = DeployOperation | BackupOperation | 'subcloud.delete' | 'subcloud.reconfigure-network' | 'subcloud.rehome'
/** Long work between two system controllers; its exclusive key is `associationKeyOf`. */
export type AssociationOperation = 'association.sync' | 'association.delete'
/** Takes the members of a peer group over; its exclusive key is `peerGroupKeyOf`. */
export type PeerGroupOperation = 'peer-group.migrate'
/** A look at a host that no subcloud here stands for yet; nothing else is ever refused for it. */
export type HostOperation = 'host.find-site'
export type OperationName = HostOperation | SubcloudOperation | AssociationOperation | PeerGroupOperation
export const backupOperations = ['subcloud.backup', 'subcloud.delete-backup', 'subcloud.restore'] as const
export type BackupOperation = (typeof backupOperations)[number]

/** Documents (bootstrap values, install values, deploy config) are read from `subcloud_documents` when a phase begins. */
export interface DeployInput {
  readonly subcloudId: number
  readonly phases: readonly Phase[]
  readonly release: string
  /** Context `subcloud:<id>:sysadmin_password`. Absent for phases that need none (create, install by BMC). */
  readonly sysadminPassword?: Sealed
}

export interface DeleteInput {
  readonly subcloudId: number
  /** The row is gone when files are removed: what they are keyed by travels along. */
  readonly regionName: string
}

export interface ReconfigureNetworkInput {
  readonly subcloudId: number
  readonly sysadminPassword: Sealed
  readonly managementSubnet: string
  readonly managementGatewayIp: string
  readonly managementStartIp: string
  readonly managementEndIp: string
  readonly bootstrapAddress: string
}

/** Sealed members: context `subcloud:<id>:<member in snakes>`. Each job has its own copy, so nothing of one subcloud reaches another. */
export interface BackupInput {
  readonly subcloudId: number
  readonly release: string
  readonly localOnly: boolean
  readonly registryImages: boolean
  readonly sysadminPassword: Sealed
  /** JSON text of the backup values: context `subcloud:<id>:operator_values`. */
  readonly operatorValues?: Sealed
}

export interface DeleteBackupInput {
  readonly subcloudId: number
  readonly release: string
  readonly localOnly: boolean
  readonly sysadminPassword?: Sealed
}

export interface RestoreInput {
  readonly subcloudId: number
  /** Of the archive, and of the installation where there is one. */
  readonly release: string
  readonly localOnly: boolean
  readonly registryImages: boolean
  readonly withInstall: boolean
  readonly auto: boolean
  readonly factory: boolean
  readonly onSite: boolean
  readonly bootstrapAddress: string
  readonly timeoutSeconds: number
  readonly sysadminPassword: Sealed
  /** JSON text of the restore values without what is read from them here. */
  readonly operatorValues?: Sealed
}

/** Makes this controller the one that manages the subcloud (reference dcmanager §7.9 step 4). */
export interface RehomeInput {
  readonly subcloudId: number
  /** Whose migration it is a part of; null for one subcloud on its own. */
  readonly peerGroupId: number | null
  /** Context `subcloud:<id>:sysadmin_password`. */
  readonly sysadminPassword?: Sealed
  /** Begun by itself: a subcloud that still hears its controller is left to it. */
  readonly witnessed: boolean
}

export interface MigrateInput {
  readonly peerGroupId: number
  readonly subcloudIds: readonly number[]
  /** Context `peer-group:<id>:sysadmin_password`. */
  readonly sysadminPassword?: Sealed
  readonly witnessed: boolean
}

/** Which site a host is, before it is taken over (reference dcmanager §1.7 `migrate`: the region is read from it). */
export interface FindSiteInput {
  readonly bootstrapAddress: string
  /** Of the subcloud's recorded network: the site must be the one that has it. */
  readonly siteAddress: string
  /** Context `findSiteContext`. */
  readonly sysadminPassword: Sealed
}
/** Each look has a subject of its own. */
export const findSiteKeyOf = (nonce: string): string => `host:${nonce}`
export const findSiteContext = (bootstrapAddress: string): string => `host:${bootstrapAddress}:sysadmin_password`

export const exclusiveKeyOf = (subcloudId: number): string => `subcloud:${subcloudId}`

/** Brings the peer to what the group is here (reference dcmanager §7.7). */
export interface AssociationSyncInput {
  readonly associationId: number
  /** Only the group's own members, no subclouds: after a change of the priority. */
  readonly groupOnly?: boolean
}

/** Takes the standby copies, the group and the association from the peer, then the association from here (reference dcmanager §7.8). */
export interface AssociationDeleteInput {
  readonly associationId: number
}

export const associationKeyOf = (associationId: number): string => `association:${associationId}`
export const peerGroupKeyOf = (peerGroupId: number): string => `peer-group:${peerGroupId}`
