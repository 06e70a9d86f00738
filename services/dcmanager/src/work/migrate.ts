import { json, type Queryable, type Transaction } from '@murmuration/data'
import { defineJob, enqueueAll, type JobContext, type JobKind } from '@murmuration/jobs'
import type { World } from '@murmuration/world'
import { noError } from '../rules/error-description.ts'
import { auditNames } from '../rules/audit-plan.ts'
import { endOfMigration, migratable } from '../rules/migration.ts'
import { exclusiveKeyOf, type MigrateInput, type RehomeInput } from '../rules/operations.ts'
import { requestAudits } from '../store/audits.ts'
import { endCounts, moveMembers, readMigrationMembers, type MigrationMember } from '../store/migration-members.ts'
import { busySubclouds, queued } from '../store/operations.ts'
import { readPeerGroup, updatePeerGroup, type PeerGroupColumns } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { updateSubclouds } from '../store/subclouds.ts'
import type { OwnSystem } from './controller-facts.ts'
import { retryOfFaults } from './deploy.ts'
import { ownSystem } from './operations.ts'
import type { RehomeParts } from './rehome.ts'
import { auditTopic, changesTopic, managerTopic } from './topics.ts'

export const migrationLimits = {
  /** Groups that one manager migrates at a time; their members are jobs of their own. */
  groupsAtOnce: 4,
  /** Between two looks at the members of a group. */
  lookMs: 1_000,
  /** A member that was taken over and does not come online is left unmanaged (reference dcmanager §7.9 step 4c). */
  onlineWithinMs: 900_000,
} as const

type MigrateContext = JobContext<MigrateInput>

/**
 * Migrates a peer group to this site (reference dcmanager §7.9). It keeps at most `max_subcloud_rehoming` members at work, each as a
 * job of its own, and manages those that have come online. All that it knows stands in `peer_group_migration`, so a manager that dies
 * is followed by one that looks there. The number of statements of one look does not depend on the size of the group.
 */
export const migrateKind = (parts: RehomeParts): JobKind<MigrateInput, void> =>
  defineJob<MigrateInput, void>({
    name: 'peer-group.migrate',
    concurrency: migrationLimits.groupsAtOnce,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    async run(context) {
      const { timers } = parts.site.world
      // On the clock that never steps: when a member was first seen to be taken over. A manager that takes the job over waits anew.
      const rehomedAtMs = new Map<number, number>()
      while (!(await look(parts, context, rehomedAtMs))) {
        await timers.sleep(migrationLimits.lookMs, context.signal)
        // From here on it waits for its members: a manager that dies again and again does not die of it.
        await context.proven()
      }
      const system = await ownSystem(parts, context.signal)
      await context.step('migrate.end', () =>
        context.transaction((tx: Transaction<Schema>) => endGroup(tx, parts.site.world, context.input.peerGroupId, system)),
      )
      await context.step('migrate.tell', async () => {
        context.progress('migrate: the other sites are told')
        const group = await readPeerGroup(parts.database, context.input.peerGroupId)
        if (group?.migration_status === 'complete') await parts.rehomePeers.tell(group, system, context.signal)
      })
    },
    async settle(tx: Transaction<Schema>, job, outcome, world) {
      if (outcome.state === 'done') return
      const { peerGroupId } = json.read<MigrateInput>(job.input as never)
      await abandonGroup(tx, world, peerGroupId, await parts.facts.ownSystem().catch(() => undefined))
    },
  })

/** True when nothing is left to wait for. */
async function look(parts: RehomeParts, context: MigrateContext, rehomedAtMs: Map<number, number>): Promise<boolean> {
  const { database } = parts
  const { peerGroupId } = context.input
  const members = await readMigrationMembers(database, peerGroupId)
  await manageThoseOnline(parts, context, members, rehomedAtMs)
  const at = (state: MigrationMember['state']): MigrationMember[] => members.filter((member) => member.state === state)
  const waiting = at('waiting')
  if (waiting.length > 0) {
    const group = await readPeerGroup(database, peerGroupId)
    const places = (group?.max_subcloud_rehoming ?? 0) - at('rehoming').length
    if (places > 0) await startSome(parts, context, waiting.slice(0, places))
  }
  context.progress(
    `migrate: ${at('done').length + at('rehomed').length} of ${members.length} taken over, ${at('rehoming').length} at work, ` +
      `${waiting.length} waiting, ${at('failed').length} failed, ${at('refused').length} left to their controller`,
  )
  return waiting.length === 0 && at('rehoming').length === 0 && at('rehomed').length === 0
}

/** Claims members and adds their jobs, in one transaction; one that somebody else works on by now has failed. */
async function startSome(parts: RehomeParts, context: MigrateContext, members: readonly MigrationMember[]): Promise<void> {
  const { world, keyring } = parts.site
  const { peerGroupId, sysadminPassword, witnessed } = context.input
  const password =
    sysadminPassword === undefined ? undefined : keyring.open(sysadminPassword, `peer-group:${peerGroupId}:sysadmin_password`)
  await context.transaction(async (tx: Transaction<Schema>) => {
    const all = members.map((member) => member.subcloud_id)
    const busy = await busySubclouds(tx, all)
    const ids = all.filter((id) => !busy.has(id))
    const columns = { deploy_status: 'pre-rehome', error_description: noError } as const
    const claimed = await updateSubclouds(tx, world, ids, columns, { deployStatus: migratable })
    const started = claimed.map((row) => row.id)
    await enqueueAll(
      tx,
      world,
      queued<RehomeInput>('subcloud.rehome'),
      started.map((id) => ({
        subject: exclusiveKeyOf(id),
        input: {
          subcloudId: id,
          peerGroupId,
          witnessed,
          ...(password === undefined ? {} : { sysadminPassword: keyring.seal(password, `subcloud:${id}:sysadmin_password`) }),
        },
        requestedBy: 'peer-group.migrate',
        requestId: context.id,
      })),
    )
    await moveMembers(tx, world, peerGroupId, started, ['waiting'], 'rehoming')
    const others = all.filter((id) => !started.includes(id))
    await moveMembers(
      tx,
      world,
      peerGroupId,
      others,
      ['waiting'],
      'refused',
      'another operation had begun on it, or it was taken out of the group',
    )
    tx.afterCommit(() => tell(parts, 'managers'))
  })
}

/** Those that an audit has found online are managed; who is not online in time is left to the operator. */
async function manageThoseOnline(
  parts: RehomeParts,
  context: MigrateContext,
  members: readonly MigrationMember[],
  rehomedAtMs: Map<number, number>,
): Promise<void> {
  const { world } = parts.site
  const { peerGroupId } = context.input
  const rehomed = members.filter((member) => member.state === 'rehomed')
  if (rehomed.length === 0) return
  const rows = await statesOf(
    parts.database,
    rehomed.map((member) => member.subcloud_id),
  )
  const online = rehomed.flatMap((member) => (isOnline(rows.get(member.subcloud_id)) ? [member.subcloud_id] : []))
  const nowMs = world.clock.monotonicMs()
  for (const { subcloud_id: id } of rehomed) if (!rehomedAtMs.has(id)) rehomedAtMs.set(id, nowMs)
  const late = rehomed.flatMap((member) => {
    const waitedMs = nowMs - rehomedAtMs.get(member.subcloud_id)!
    const gone = rows.get(member.subcloud_id)?.deploy_status !== 'complete'
    return !online.includes(member.subcloud_id) && (gone || waitedMs >= migrationLimits.onlineWithinMs) ? [member.subcloud_id] : []
  })
  if (online.length + late.length === 0) return
  await context.transaction(async (tx: Transaction<Schema>) => {
    const managed = await updateSubclouds(tx, world, online, { management_state: 'managed' }, { deployStatus: 'complete' })
    const ids = managed.map((row) => row.id)
    await requestAudits(tx, world, { audits: auditNames, subcloudIds: ids })
    await moveMembers(tx, world, peerGroupId, ids, ['rehomed'], 'done')
    await moveMembers(tx, world, peerGroupId, late, ['rehomed'], 'done', 'it was taken over, but is not online: it is not managed yet')
    tx.afterCommit(() => tell(parts, 'auditors'))
  })
}

type State = Pick<Schema['subclouds'], 'deploy_status' | 'availability_status'>
const isOnline = (row: State | undefined): boolean => row?.deploy_status === 'complete' && row.availability_status === 'online'

async function statesOf(db: Queryable<Schema>, ids: readonly number[]): Promise<ReadonlyMap<number, State>> {
  const rows = await db.query
    .selectFrom('subclouds')
    .select(['id', 'deploy_status', 'availability_status'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

function tell({ site }: RehomeParts, whom: 'managers' | 'auditors'): void {
  const sending = whom === 'managers' ? site.bus.client(managerTopic).wake({}) : site.bus.client(auditTopic).trigger({ audits: [] })
  for (const message of [sending, site.bus.client(changesTopic).changed({})])
    message.catch((error: unknown) => site.world.log.debug('a wake-up was not sent', { error }))
}

/** Once for a migration; the status that is there already is this one's end, recorded twice. */
async function endGroup(tx: Transaction<Schema>, world: World, peerGroupId: number, system: OwnSystem): Promise<void> {
  const group = await readPeerGroup(tx, peerGroupId)
  if (group?.migration_status !== 'migrating') return
  await updatePeerGroup(tx, world, peerGroupId, endColumns(await readMigrationMembers(tx, peerGroupId), system))
}

function endColumns(members: readonly MigrationMember[], system: OwnSystem | undefined): Partial<PeerGroupColumns> {
  const { leads, status } = endOfMigration(endCounts(members))
  return {
    migration_status: status,
    ...(leads && system !== undefined ? { system_leader_id: system.uuid, system_leader_name: system.name } : {}),
  }
}

/**
 * A migration that was given up (a group that was `migrating` without anybody who migrates it): members that wait stay where they are;
 * those that were taken over are this site's, and its peers have to learn of it by the group's status.
 */
export async function abandonGroup(tx: Transaction<Schema>, world: World, peerGroupId: number, system?: OwnSystem): Promise<void> {
  const group = await readPeerGroup(tx, peerGroupId)
  if (group?.migration_status !== 'migrating') return
  const members = await readMigrationMembers(tx, peerGroupId)
  const waiting = members.filter((member) => member.state === 'waiting').map((member) => member.subcloud_id)
  await moveMembers(tx, world, peerGroupId, waiting, ['waiting'], 'refused', 'the migration was given up before its turn came')
  await updatePeerGroup(tx, world, peerGroupId, endColumns(members, system))
}
