import type { Queryable, Transaction } from '@murmuration/data'
import type { ApiError } from '@murmuration/http'
import { liveJobFor } from '@murmuration/jobs'
import type { Keyring, Secret } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { planMigration, type MigrationPlan, type Obstacle } from '../rules/migration.ts'
import { peerGroupKeyOf, type MigrateInput } from '../rules/operations.ts'
import { readAssociationFacts } from './associations.ts'
import { claim, enqueueOn, type AnswerOf, type Asker, type Desk } from './claims.ts'
import { beginMigrationMembers } from './migration-members.ts'
import { busySubclouds } from './operations.ts'
import { readPeerGroup, updatePeerGroup } from './peer-groups.ts'
import { readRehomeData } from './rehome-data.ts'
import type { Schema } from './schema.ts'
import type { SubcloudRow } from './subclouds.ts'

/** What a migration of the group would do now. A number of statements that does not grow with the group. */
export async function readMigrationPlan(db: Queryable<Schema>, keyring: Keyring, peerGroupId: number): Promise<MigrationPlan> {
  const rows = await db.query
    .selectFrom('subclouds')
    .select(['id', 'name', 'deploy_status'])
    .where('peer_group_id', '=', peerGroupId)
    .orderBy('id')
    .execute()
  const ids = rows.map((row) => row.id)
  const data = await readRehomeData(db, keyring, ids)
  const busy = await busySubclouds(db, ids)
  return planMigration(
    rows.map(({ id, name, deploy_status: deployStatus }) => ({
      id,
      name,
      deployStatus,
      rehomeData: data.has(id),
      busyWith: busy.get(id),
    })),
    await readObstacle(db, peerGroupId),
  )
}

async function readObstacle(db: Queryable<Schema>, peerGroupId: number): Promise<Obstacle | undefined> {
  const migration = await liveJobFor(db, peerGroupKeyOf(peerGroupId))
  if (migration !== undefined) return { on: 'peer-group', id: peerGroupId, operation: migration.kind }
  const records = await readAssociationFacts(db, { peerGroupIds: [peerGroupId] })
  const deleted = records.find(({ running }) => running?.kind === 'association.delete')
  return deleted === undefined ? undefined : { on: 'association', id: deleted.association.id, operation: 'association.delete' }
}

/** What the request is answered; undefined when it is accepted. */
export function refusalOf({ refusal }: MigrationPlan): ApiError | undefined {
  if (refusal === undefined) return undefined
  if (refusal.why === 'impossible') return errors.migrationImpossible({ why: refusal.problems })
  if (refusal.why === 'empty') return errors.migrationEmpty()
  const { on, operation, id } = refusal
  return on === 'association' ? errors.associationBusy({ operation, id }) : errors.peerGroupBusy({ operation, id })
}

export interface MigrationRequest {
  readonly peerGroupId: number
  readonly sysadminPassword: Secret | undefined
  /** Begun by itself: members that still hear their controller are left to it. */
  readonly witnessed: boolean
}

export interface ClaimedMigration {
  readonly jobId: string
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
  const refusal = refusalOf(plan)
  if (refusal !== undefined) throw refusal
  const ids = plan.entries.filter((entry) => entry.migrate).map((entry) => entry.subcloudId)
  const input: MigrateInput = {
    peerGroupId,
    subcloudIds: ids,
    witnessed,
    ...(sysadminPassword === undefined
      ? {}
      : { sysadminPassword: keyring.seal(sysadminPassword, `peer-group:${peerGroupId}:sysadmin_password`) }),
  }
  const jobId = await enqueueOn<MigrateInput>(desk, tx, asker, 'peer-group.migrate', peerGroupKeyOf(peerGroupId), input)
  await beginMigrationMembers(tx, world, peerGroupId, jobId, ids)
  await updatePeerGroup(tx, world, peerGroupId, { migration_status: 'migrating' })
  const rows = await tx.query.selectFrom('subclouds').selectAll().where('id', 'in', ids).orderBy('id').execute()
  return { jobId, rows }
}
