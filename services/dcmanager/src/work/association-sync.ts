import type { PeerClient } from '@murmuration/clients'
import type { Database, Transaction } from '@murmuration/data'
import { defineJob, TerminalError, type JobContext, type JobKind } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { standbyHere } from '../rules/migration-conclusions.ts'
import type { AssociationSyncInput } from '../rules/operations.ts'
import { planSync } from '../rules/sync-plan.ts'
import { readAssociation, updateAssociation, type AssociationRecord } from '../store/associations.ts'
import { forgetSyncedMembers } from '../store/heartbeats.ts'
import { announceChange } from '../store/peer-groups.ts'
import { forgetSent, readDocumentsOfMany, readMembersToSync, recordSent, type SentMember } from '../store/peer-members.ts'
import type { Schema } from '../store/schema.ts'
import { atOnce } from './at-once.ts'
import type { ControllerFacts } from './controller-facts.ts'
import { isUnreachable, peerFailureOf, WrongPeer, type Peers } from './peers.ts'
import { createStandbySender } from './standby-sender.ts'

export interface AssociationParts {
  readonly site: Site
  readonly database: Database<Schema>
  readonly facts: Pick<ControllerFacts, 'ownSystem'>
  readonly peers: Peers
}

export const syncLimits = {
  /** Members that are sent to one peer at once (reference dcmanager §7.7), where each takes requests of its own. */
  membersAtOnce: 10,
  /** Members whose outcome is recorded together; what a crash sends again at most. */
  membersPerRecord: 50,
  /** Of one request. */
  requestMs: 60_000,
  /** A stock peer prepares a standby copy before it answers. */
  memberMs: 180_000,
  syncsAtOnce: 8,
  /** Names in the message of a failure; the association tells how many there are. */
  namedFailures: 20,
} as const

/** The sync can't go on, for a reason that an operator can mend; the text becomes the association's message. */
export class SyncRefused extends TerminalError {}

/**
 * Brings a peer to what a group is here (reference dcmanager §7.7). A restart goes on at the first unrecorded step, and members that the peer
 * has confirmed are not sent again; the original fails a sync that a restart interrupts.
 */
export function associationSyncKind(parts: AssociationParts): JobKind<AssociationSyncInput, SyncOutcome> {
  const { world } = parts.site
  return defineJob<AssociationSyncInput, SyncOutcome>({
    name: 'association.sync',
    concurrency: syncLimits.syncsAtOnce,
    run: async (context) => {
      try {
        return await sync(parts, context)
      } catch (error) {
        const failure = peerFailureOf(error)
        if (failure === undefined || context.signal.aborted) throw error
        const record = await readAssociation(parts.database, context.input.associationId)
        throw new SyncRefused(`Peer site (${record?.peer.peer_name ?? 'unknown'}): ${failure}.`, { cause: error })
      }
    },
    settle: async (tx: Transaction<Schema>, job, outcome) => {
      const { associationId } = JSON.parse(job.input) as AssociationSyncInput
      const { output } = outcome
      if (outcome.state === 'done' && output !== undefined) {
        const { failure, revision, whole } = output
        const { association, group } = (await readAssociation(tx, associationId)) ?? {}
        // A sync that did not bring all of it has seen that something differs, whatever was confirmed before.
        const unseen = !whole && association !== undefined && association.synced_revision >= group!.revision
        if (unseen) await announceChange(tx, world, [group!.id])
        await updateAssociation(tx, world, associationId, { ...(whole ? { synced_revision: revision } : {}), sync_failure: failure })
        return
      }
      await updateAssociation(tx, world, associationId, { sync_failure: failureText(outcome.error) })
    },
  })
}

export interface SyncOutcome {
  /** Of the group, as it was when the sync began. */
  readonly revision: number
  /** The peer has all of it. False while members differ: after a change of the group only, or where the peer manages them itself. */
  readonly whole: boolean
  readonly failure: string | null
}

function failureText(error: unknown): string {
  if (error instanceof SyncRefused) return error.message
  const name = error instanceof Error ? error.name : ''
  if (name === 'JobCancelled') return 'The sync was cancelled.'
  if (name === 'LeasesLostInARow') return 'The sync was given up: its process ended again and again.'
  return 'The sync failed for a reason of this site; the log of the manager has the details.'
}

type Context = JobContext<AssociationSyncInput>

async function sync(parts: AssociationParts, context: Context): Promise<SyncOutcome> {
  const { associationId, groupOnly = false } = context.input
  const record = await requireRecord(parts, associationId)
  const { group, association, peer } = record
  const client = parts.peers.of(peer)
  const system = await parts.facts.ownSystem()
  if (association.association_type !== 'primary' || group.system_leader_id !== system.uuid)
    throw new SyncRefused(`The subclouds of ${group.peer_group_name} are managed by ${group.system_leader_name}, which says what they are.`)
  const call = { deadlineMs: syncLimits.requestMs, signal: context.signal }
  // What changes from here on is the next sync's: it makes the association out-of-sync again.
  const revision = await context.step('begin', async () => group.revision)

  const there = await context.step('peer', async () => {
    context.progress('asking the peer who it is')
    const found = await client.system(call)
    if (found.uuid !== peer.peer_uuid.toLowerCase()) throw new WrongPeer(found.uuid, peer.peer_uuid)
    const me = await client.systemPeer(system.uuid, call)
    if (me === undefined)
      throw new SyncRefused(
        `Peer site (${peer.peer_name}) has no system peer for this site (${system.uuid}). Add one there, then sync again.`,
      )
    return { systemPeerId: me.id }
  })
  const columns = {
    name: group.peer_group_name,
    priority: association.peer_group_priority ?? 1,
    state: group.group_state,
    leaderId: group.system_leader_id,
    leaderName: group.system_leader_name,
    maxSubcloudRehoming: group.max_subcloud_rehoming,
  }
  const groupThere = await context.step('group', async () => {
    context.progress('the peer group there')
    const found = (await client.group(columns.name, call)) ?? (await client.createGroup(columns, call))
    if (found.priority === 0)
      throw new SyncRefused(
        `Peer site (${peer.peer_name}) has a peer group ${columns.name} of its own, with priority 0. Rename one of them.`,
      )
    if (found.migrationStatus === 'migrating')
      throw new SyncRefused(`Peer site (${peer.peer_name}) migrates ${columns.name} to itself. Sync again when it has ended.`)
    return { id: found.id }
  })
  const associationThere = await context.step('association', async () => {
    const found = (await client.associations(call)).find(
      (each) => each.peerGroupId === groupThere.id && each.systemPeerId === there.systemPeerId,
    )
    // One of the two sites was restored from a copy: what is known of its members is not what it has.
    if (found?.receivedRevision !== undefined && found.receivedRevision !== association.synced_revision)
      await context.transaction((tx: Transaction<Schema>) => forgetSyncedMembers(tx, [association.id]))
    return { id: (found ?? (await client.createAssociation({ peerGroupId: groupThere.id, systemPeerId: there.systemPeerId }, call))).id }
  })
  await context.step('syncing', () => client.reportStatus(associationThere.id, 'syncing', call))
  await context.step('update group', async () => {
    await client.updateGroup(columns.name, columns, call)
  })

  try {
    const failure = groupOnly ? null : await context.step('members', () => syncMembers(parts, context, record, client, groupThere.id))
    const whole = failure === null && (await nothingPending(parts, record))
    const status = failure !== null ? 'failed' : whole ? 'in-sync' : 'out-of-sync'
    await context.step('report', () => client.reportStatus(associationThere.id, status, { ...call, ...(whole ? { revision } : {}) }))
    return { revision, whole, failure }
  } catch (error) {
    // Both sites say so (reference §7.7 step 10); the monitor does it again when this gets lost.
    if (!context.signal.aborted && !isUnreachable(error))
      await client.reportStatus(associationThere.id, 'failed', call).catch(() => undefined)
    throw error
  }
}

async function requireRecord({ database }: AssociationParts, id: number): Promise<AssociationRecord> {
  const record = await readAssociation(database, id)
  if (record === undefined) throw new SyncRefused('The association is gone.')
  return record
}

const nothingPending = async ({ database }: AssociationParts, { association, group }: AssociationRecord): Promise<boolean> =>
  (await readMembersToSync(database, group.id, association.id)).every(({ row, syncedRevision }) => syncedRevision >= row.document_revision)

interface MemberFailure {
  readonly name: string
  readonly why: string
}

function failuresText(peerName: string, failures: readonly MemberFailure[]): string {
  const named = failures.slice(0, syncLimits.namedFailures).map(({ name, why }) => `${name} (${why})`)
  const more = failures.length > named.length ? ` and ${failures.length - named.length} more` : ''
  return `Peer site (${peerName}): ${failures.length} subcloud(s) could not be synced: ${named.join(', ')}${more}.`
}

/** Step 8: sends what differs and takes away what is no member any more. Returns what did not go well, for people. */
async function syncMembers(
  parts: AssociationParts,
  context: Context,
  { association, group, peer }: AssociationRecord,
  client: PeerClient,
  groupIdThere: number,
): Promise<string | null> {
  const { database, site } = parts
  const call = { deadlineMs: syncLimits.memberMs, signal: context.signal }
  const all = (await readMembersToSync(database, group.id, association.id)).map((member) => ({
    ...member,
    name: member.row.name,
    regionName: member.row.region_name,
    documentRevision: member.row.document_revision,
  }))
  const { subclouds: copies, standbysAtOnce } = await client.members(group.peer_group_name, call)
  // Standby copies of what the peer manages are not sent: that site says what it is (reference §7.7).
  const theirs = all.filter(({ row }) => standbyHere.has(row.deploy_status))
  const plan = planSync(
    all.filter((member) => !theirs.includes(member)),
    copies,
  )
  const known = new Set(all.map((member) => member.regionName))
  const failures: MemberFailure[] = [
    ...plan.obstructed.map(({ member, status }) => ({ name: member.name, why: `it is ${status} there, and not a standby copy` })),
    ...plan.stranded
      .filter((copy) => !known.has(copy.regionName))
      .map((copy) => ({ name: copy.name, why: `it is no member here, and waits there for its new controller (${copy.deployStatus})` })),
  ]
  const { membersAtOnce } = syncLimits
  const gateway = peer.peer_controller_gateway_ip
  const sender = createStandbySender({ client, groupIdThere, gateway, standbysAtOnce, membersAtOnce, call })
  let done = 0
  for (let at = 0; at < plan.send.length; at += syncLimits.membersPerRecord) {
    const part = plan.send.slice(at, at + syncLimits.membersPerRecord)
    const ids = part.map(({ member }) => member.row.id)
    const documents = await readDocumentsOfMany(database, site.keyring, ids, ['bootstrap_values', 'install_values'])
    const sent: SentMember[] = []
    try {
      const members = part.map(({ member, there }) => ({ ...member, documents: documents.get(member.row.id) ?? {}, there }))
      await sender.send(members, (member, why) => {
        if (why !== undefined) failures.push({ name: member.name, why })
        sent.push({ regionName: member.regionName, revision: why === undefined ? member.documentRevision : 0, failure: why ?? null })
        context.progress(`${++done} of ${plan.send.length} subclouds sent`)
      })
    } finally {
      // What went well is kept whatever happened to others: a next sync sends what is left.
      if (!context.signal.aborted) await context.transaction((tx: Transaction<Schema>) => recordSent(tx, site.world, association.id, sent))
    }
  }
  await atOnce(syncLimits.membersAtOnce, plan.remove, async (copy) => {
    try {
      await client.deleteSubcloud(copy.name, call)
    } catch (error) {
      const why = peerFailureOf(error)
      if (why === undefined || isUnreachable(error) || context.signal.aborted) throw error
      failures.push({ name: copy.name, why: `it is no member any more and could not be deleted there: ${why}` })
    }
  })
  const found = new Set(copies.map((copy) => copy.regionName))
  const gone = [...plan.remove, ...theirs.filter((member) => !found.has(member.regionName))].map(({ regionName }) => regionName)
  await context.transaction((tx: Transaction<Schema>) => forgetSent(tx, association.id, gone))
  return failures.length === 0
    ? null
    : failuresText(
        peer.peer_name,
        failures.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      )
}
