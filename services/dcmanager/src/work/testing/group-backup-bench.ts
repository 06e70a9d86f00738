import type { TestContext } from 'node:test'
import { countStatements, timestamp } from '@murmuration/data'
import { Secret } from '@murmuration/trust'
import { createIneligible } from '../../rules/backup-eligibility.ts'
import { noError } from '../../rules/error-description.ts'
import type { BackupInput } from '../../rules/operations.ts'
import { claimBackups, sealFor } from '../../store/backup-claims.ts'
import { createManager } from '../manager.ts'
import { waitForJobs } from '../wait-for-job.ts'
import { backupScript } from './backup-script.ts'
import { asker, openFleet } from './fleet.ts'

export interface GroupBackup {
  readonly claimStatements: number
  readonly claimCpuMs: number
  readonly operationsCpuMs: number
  readonly operationsStatements: number
  readonly done: number
}

const longestMs = 600_000

/** A group of simulated subclouds is claimed and backed up by one manager; playbooks only write the archive. */
export async function groupBackup(t: TestContext, members: number): Promise<GroupBackup> {
  const fleet = await openFleet(t, (playbook, spec) => backupScript(playbook, spec))
  const { site, database, desk } = fleet
  for (let n = 0; n < members; n += 1) await fleet.add(['create'])
  const { query } = database
  await query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .execute()
  await query
    .updateTable('subclouds')
    .set({ deploy_status: 'complete', management_state: 'managed', availability_status: 'online' })
    .execute()
  const password = new Secret('sysadmin-secret')
  const claimed = await measured(() =>
    claimBackups<BackupInput>(desk, asker, () => '', {
      target: { groupId: 1 },
      operation: 'subcloud.backup',
      judge: (row, around) => createIneligible(row, around.busy),
      columns: { backup_status: 'validating', error_description: noError },
      inputOf: (row) => ({
        subcloudId: row.id,
        release: row.software_version,
        localOnly: false,
        registryImages: false,
        sysadminPassword: sealFor(desk, row.id, 'sysadmin_password', password),
      }),
      refuse: () => {
        throw new Error('nobody may be backed up')
      },
    }),
  )
  const jobs = claimed.result.flatMap((outcome) => (outcome.accepted ? [outcome.jobId] : []))
  const worked = await measured(async () => {
    // Made here: its loops count where it was made.
    const manager = createManager(site, database, undefined, { healthProblems: async () => [] })
    await manager.start()
    const ended = await waitForJobs(site, database, jobs, longestMs)
    await manager.stop()
    return ended
  })
  return {
    claimStatements: claimed.statements,
    claimCpuMs: claimed.cpuMs,
    operationsCpuMs: worked.cpuMs,
    operationsStatements: worked.statements,
    done: worked.result.filter((job) => job.state === 'done').length,
  }
}

async function measured<T>(work: () => Promise<T>): Promise<{ result: T; statements: number; cpuMs: number }> {
  const before = process.cpuUsage()
  const { result, statements } = await countStatements(work)
  const { user, system } = process.cpuUsage(before)
  return { result, statements, cpuMs: (user + system) / 1_000 }
}
