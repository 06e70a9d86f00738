import { json, type Queryable } from '@murmuration/data'
import type { Sealed } from '@murmuration/trust'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { exclusiveKeyOf, type DeployInput, type RestoreInput } from '../rules/operations.ts'
import type { Schema } from './schema.ts'

/** The step of an operation that makes the token of what its BMC is given. */
export const installTokenStep = 'install.token'
/** The step of a restore through the BMC that gathers what the host needs for it. */
export const restoreSeedStep = 'restore.seed'
const whileInstalled: readonly DeployStatus[] = ['pre-install', 'installing']
/** A host reads its seed when it has come up, after its installation. */
const whileSeeded: readonly DeployStatus[] = [...whileInstalled, 'pre-restore', 'restoring']

/** Who may read which images: whoever shows the token, while the operation runs that it was made for. */
export interface InstallGrant {
  readonly jobId: string
  readonly release: string
  /** Context: `installTokenContext`. */
  readonly token: Sealed
  /** Of a restore through the BMC. Context: `restoreSeedContext`. */
  readonly seed: Sealed | undefined
}

export const installTokenContext = (jobId: string): string => `job:${jobId}:install_token`
export const restoreSeedContext = (jobId: string): string => `job:${jobId}:restore_seed`

/** One statement; undefined when nothing of the subcloud is given to its BMC now. */
export async function readInstallGrant(db: Queryable<Schema>, subcloudId: number): Promise<InstallGrant | undefined> {
  const rows = await db.query
    .selectFrom('subclouds as s')
    .innerJoin('jobs as j', (join) => join.on('j.exclusive_key', '=', exclusiveKeyOf(subcloudId)))
    .innerJoin('job_steps as t', (join) => join.onRef('t.job_id', '=', 'j.id').on('t.name', 'in', [installTokenStep, restoreSeedStep]))
    .select(['j.id', 'j.input', 's.deploy_status', 't.name', 't.result'])
    .where('s.id', '=', subcloudId)
    .where('s.deploy_status', 'in', whileSeeded)
    .execute()
  const resultOf = (step: string): Sealed | undefined => {
    const found = rows.find(({ name, result }) => name === step && result !== null)
    return found === undefined ? undefined : (json.read(found.result!) as Sealed)
  }
  const token = resultOf(installTokenStep)
  const seed = resultOf(restoreSeedStep)
  const row = rows[0]
  if (row === undefined || token === undefined) return undefined
  if (seed === undefined && !whileInstalled.includes(row.deploy_status)) return undefined
  return { jobId: row.id, release: (json.read(row.input) as DeployInput | RestoreInput).release, token, seed }
}
