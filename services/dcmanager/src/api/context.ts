import type { JobRow } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import type { Desk } from '../store/claims.ts'
import type { DeployFiles } from '../work/deploy-files.ts'
import type { ControllerFacts } from '../work/controller-facts.ts'
import type { LiveDetail } from '../work/live-detail.ts'
import type { AuditPeerGroup, PushPeerGroup } from '../work/peer-ports.ts'

/** What the routes work with; service.ts puts it together, tests put fakes in. */
export interface ApiContext {
  readonly site: Pick<Site, 'world' | 'config' | 'authority'>
  readonly desk: Desk
  readonly facts: Pick<ControllerFacts, 'system' | 'managementNetwork' | 'releases'>
  readonly deployFiles: DeployFiles
  /** Resolves when the job has ended, or when the patience of a caller has. */
  waitForJob(jobId: string): Promise<unknown>
  /** To peer sites, and from what they say; work/ implements them. */
  readonly pushPeerGroup: PushPeerGroup
  readonly auditPeerGroup: AuditPeerGroup
  /** As `waitForJob`, for many; gives them as they are then. */
  waitForJobs(jobIds: readonly string[]): Promise<readonly JobRow[]>
  /** Why the subcloud is not in good health; empty when it is. Rejects when it can't be asked. */
  healthProblems(subcloud: { readonly management_start_ip: string }): Promise<readonly string[]>
  liveDetail(subcloud: { readonly management_start_ip: string }): Promise<LiveDetail>
}
