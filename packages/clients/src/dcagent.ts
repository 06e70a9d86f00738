import type { TlsIdentity, World } from '@murmuration/world'

/** Reference dcmanager §8.3: audit name → reference data. */
export interface DcagentRequest {
  readonly base_audit: ''
  readonly firmware_audit?: readonly unknown[]
  readonly kubernetes_audit?: string
  readonly kube_rootca_audit?: true
  readonly software_audit?: { readonly deployed_release_ids: readonly string[] }
  readonly use_cache?: false
}
export type SyncStatus = 'in-sync' | 'out-of-sync'
export interface DcagentReply {
  readonly base_audit: {
    readonly availability: 'online' | 'offline'
    readonly inactive_sg: readonly string[]
    readonly alarms: {
      readonly critical_alarms: number
      readonly major_alarms: number
      readonly minor_alarms: number
      readonly warnings: number
      readonly cloud_status: 'OK' | 'degraded' | 'critical'
    }
  }
  readonly firmware_audit?: SyncStatus
  readonly kubernetes_audit?: SyncStatus
  readonly kube_rootca_audit?: SyncStatus
  readonly software_audit?: { readonly sync_status: SyncStatus; readonly software_version: string }
  /** When the certificate that the agent showed ends; undefined on plain connections. */
  readonly certificateNotAfterMs?: number
}

export interface DcagentClient {
  /** `managementIp` is the subcloud's management start address. Rejects with NetworkError, AuthenticationFailed or SiteAnswerRefused. */
  audit(managementIp: string, request: DcagentRequest, options: { deadlineMs: number; signal?: AbortSignal }): Promise<DcagentReply>
  /** Drops the cached token of a site (after a 401, a rename, a delete). */
  forget(managementIp: string): void
}

export declare function createDcagentClient(
  world: World,
  options: {
    /** Service account; the same credentials work at every subcloud. Tokens come from https://<ip>:5001/v3, cached (10,000 entries). */
    readonly userName: string
    readonly password: () => Promise<import('@murmuration/trust').Secret>
    /** Read for every use, so that a renewed CA needs no restart. */
    readonly tls: () => Promise<TlsIdentity>
  },
): DcagentClient
