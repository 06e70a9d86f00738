import { json, type Queryable } from '@murmuration/data'
import type { Sealed } from '@murmuration/trust'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { exclusiveKeyOf, type DeployInput } from '../rules/operations.ts'
import type { Schema } from './schema.ts'

/** The step of an operation that makes the token of its installation image. */
export const installTokenStep = 'install.token'
const whileInstalled: readonly DeployStatus[] = ['pre-install', 'installing']

/** Who may read which image: whoever shows the token, while the installation runs that it was made for. */
export interface InstallGrant {
  readonly jobId: string
  readonly release: string
  /** Context: `installTokenContext`. */
  readonly token: Sealed
}

export const installTokenContext = (jobId: string): string => `job:${jobId}:install_token`

/** One statement; undefined when the subcloud is not being installed now. */
export async function readInstallGrant(db: Queryable<Schema>, subcloudId: number): Promise<InstallGrant | undefined> {
  const row = await db.query
    .selectFrom('subclouds as s')
    .innerJoin('jobs as j', (join) => join.on('j.exclusive_key', '=', exclusiveKeyOf(subcloudId)))
    .innerJoin('job_steps as t', (join) => join.onRef('t.job_id', '=', 'j.id').on('t.name', '=', installTokenStep))
    .select(['j.id', 'j.input', 't.result'])
    .where('s.id', '=', subcloudId)
    .where('s.deploy_status', 'in', whileInstalled)
    .executeTakeFirst()
  if (row === undefined || row.result === null) return undefined
  return { jobId: row.id, release: (json.read(row.input) as DeployInput).release, token: json.read(row.result) as Sealed }
}
