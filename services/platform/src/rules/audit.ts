import {
  availabilityOf,
  cloudStatusOf,
  firmwareVerdict,
  kubernetesVerdict,
  kubeRootcaVerdict,
  softwareVerdict,
  type AppliedImage,
  type SiteFacts,
} from './verdicts.ts'

/** Audit name → reference data (reference dcmanager §8.3). */
export interface AuditRequest {
  readonly base_audit?: ''
  readonly firmware_audit?: readonly AppliedImage[]
  readonly kubernetes_audit?: string
  readonly kube_rootca_audit?: true
  readonly software_audit?: { readonly deployed_release_ids: readonly string[] }
  readonly use_cache?: boolean
}

/** Audit name → how to answer it. An audit that is not in this table is unknown here. */
export const audits = {
  base_audit: ({ serviceGroups, alarmCounts }: SiteFacts) => {
    const { availability, inactive } = availabilityOf(serviceGroups)
    return {
      availability,
      inactive_sg: inactive,
      alarms: {
        critical_alarms: alarmCounts.critical,
        major_alarms: alarmCounts.major,
        minor_alarms: alarmCounts.minor,
        warnings: alarmCounts.warning,
        cloud_status: cloudStatusOf(alarmCounts),
      },
    }
  },
  firmware_audit: firmwareVerdict,
  kubernetes_audit: kubernetesVerdict,
  kube_rootca_audit: kubeRootcaVerdict,
  software_audit: softwareVerdict,
} as const

/** Answers what was asked for and nothing else. */
export function answerAudit(facts: SiteFacts, request: AuditRequest): Record<string, unknown> {
  return {
    ...(request.base_audit === undefined ? {} : { base_audit: audits.base_audit(facts) }),
    ...(request.firmware_audit === undefined ? {} : { firmware_audit: audits.firmware_audit(facts, request.firmware_audit) }),
    ...(request.kubernetes_audit === undefined ? {} : { kubernetes_audit: audits.kubernetes_audit(facts, request.kubernetes_audit) }),
    ...(request.kube_rootca_audit === undefined ? {} : { kube_rootca_audit: audits.kube_rootca_audit(facts) }),
    ...(request.software_audit === undefined ? {} : { software_audit: audits.software_audit(facts, request.software_audit) }),
  }
}
