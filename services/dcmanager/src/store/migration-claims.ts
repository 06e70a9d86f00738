import type { Queryable, Transaction } from '@murmuration/data'
import type { Keyring, Secret } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { planMigration, type PlanEntry } from '../rules/migration.ts'
import { peerGroupKeyOf, type MigrateInput } from '../rules/operations.ts'
import { claim, enqueueOn, type AnswerOf, type Asker, type Desk } from './claims.ts'
import { beginMigrationMembers } from './migration-members.ts'
import { readPeerGroup, updatePeerGroup } from './peer-groups.ts'
import { readRehomeData } from './rehome-data.ts'
import type { Schema } from './schema.ts'
import type { SubcloudRow } from './subclouds.ts'

/** What a migration of the group would do now. Two statements. */
export async function readMigrationPlan(db: Queryable<Schema>, keyring: Keyring, peerGroupId: number): Promise<PlanEntry[]> {
  const rows = await db.query
    .selectFrom('subclouds')
    .select(['id', 'name', 'deploy_status'])
    .where('peer_group_id', '=', peerGroupId)
    .orderBy('id')
    .execute()
  const data = await readRehomeData(
    db,
    keyring,
    rows.map((row) => row.id),
  )
  return planMigration(rows.map((row) => ({ id: row.id, name: row.name, deployStatus: row.deploy_status, rehomeData: data.has(row.id) })))
}

export interface MigrationRequest {
  readonly peerGroupId: number
  readonly sysadminPassword: Secret | undefined
  /** Begun by itself: members that still hear their controller are left to it. */
  readonly witnessed: boolean
}

export interface ClaimedMigration {
  readonly jobId: string
  readonly plan: readonly PlanEntry[]
  /** Those that migrate. */
  readonly rows: readonly SubcloudRow[]
}

/**
 * The group is `migrating` from the commit on, and the job is there; or the caller is refused and nothing has changed. While a
 * migration of it runs, another one is 409 (reference dcmanager §7.9 dropped it without a word).
 */
export const claimMigration = (
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<ClaimedMigration>,
  request: MigrationRequest,
): Promise<ClaimedMigration> => claim(desk, asker, answerOf, (tx) => beginMigration(desk, tx, asker, request))

/** In a transaction of the caller's. Throws the refusal. */
export async function beginMigration(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  request: MigrationRequest,
): Promise<ClaimedMigration> {
  const { peerGroupId, sysadminPassword, witnessed } = request
  const { world, keyring } = desk
  if ((await readPeerGroup(tx, peerGroupId)) === undefined) throw errors.peerGroupNotFound()
  const plan = await readMigrationPlan(tx, keyring, peerGroupId)
  const ids = plan.filter((entry) => entry.migrate).map((entry) => entry.subcloudId)
  const input: MigrateInput = {
    peerGroupId,
    subcloudIds: ids,
    witnessed,
    ...(sysadminPassword === undefined
      ? {}
      : { sysadminPassword: keyring.seal(sysadminPassword, `peer-group:${peerGroupId}:sysadmin_password`) }),
  }
  // First: who is late must hear of the one that runs, and not of its members.
  const jobId = await enqueueOn<MigrateInput>(desk, tx, asker, 'peer-group.migrate', peerGroupKeyOf(peerGroupId), input)
  const problems = plan.filter((entry) => entry.problem === true)
  if (problems.length > 0) throw errors.migrationImpossible({ why: problems.map(({ name, reason }) => `${name}: ${reason}`).join('; ') })
  if (ids.length === 0) throw errors.migrationEmpty()
  await beginMigrationMembers(tx, world, peerGroupId, jobId, ids)
  await updatePeerGroup(tx, world, peerGroupId, { migration_status: 'migrating' })
  const rows = await tx.query.selectFrom('subclouds').selectAll().where('id', 'in', ids).orderBy('id').execute()
  return { jobId, plan, rows }
}
