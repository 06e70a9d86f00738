import { liveJobFor } from '@murmuration/jobs'
import type { Timestamp, Transaction } from '@murmuration/data'
import { errors } from '../errors.ts'
import { peerGroupKeyOf } from '../rules/operations.ts'
import { changedColumns, pushedGroupColumns, sharedGroupColumns } from '../rules/replicated.ts'
import { confirmRevision, readAssociationFacts, type AssociationRecord } from '../store/associations.ts'
import { claim, type Asker } from '../store/claims.ts'
import {
  announceChange,
  beginPush,
  endPush,
  findPeerGroup,
  readPeerGroup,
  updatePeerGroup,
  type PeerGroupColumns,
  type PeerGroupRow,
} from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { peerGroupToWire } from '../wire/peer-group.ts'
import type { ApiContext } from './context.ts'

/** Longer than a push (work/peer-push.ts) and the change after it take; a process that dies in between holds nothing up for longer. */
const pushLeaseMs = 15_000

interface Changed {
  readonly row: PeerGroupRow
  /** Peers that could not be told, and why. */
  readonly notTold: readonly string[]
}

const answerOf = ({ row, notTold }: Changed): string => {
  const info = `The peer group has been updated here. Not told, and out-of-sync until the next sync: ${notTold.join('; ')}`
  return JSON.stringify({ ...peerGroupToWire(row), ...(notTold.length === 0 ? {} : { info_message: info }) })
}

/** Who asks; a peer of our kind tells the revision that its change makes of the group. */
interface GroupUpdate {
  readonly asker: Asker
  readonly byPeer: boolean
  readonly revision: number | undefined
}

/**
 * PATCH of a group (reference dcmanager §1.12): peers are told first; when none of them takes it, nothing changes. Those that took it are
 * in sync with the new revision, those that did not are out-of-sync by it.
 */
export async function updatePeerGroupByBody(
  context: ApiContext,
  group: PeerGroupRow,
  given: Partial<PeerGroupColumns>,
  { asker, byPeer, revision }: GroupUpdate,
): Promise<string> {
  const { desk } = context
  if (Object.keys(given).length === 0) throw errors.nothingToUpdate()
  if (group.group_priority > 0 && !byPeer) throw errors.peerGroupNotPrimary()
  const changed = changedColumns(Object.keys(given) as (keyof PeerGroupColumns)[], group, given)
  if (changed.length === 0) return answerOf({ row: group, notTold: [] })
  if (given.migration_status === 'migrating') throw errors.peerGroupMigratingByHand({ group: group.id }, { field: 'migration_status' })

  // Before peers are told of a name that can not be had here.
  const namesake = given.peer_group_name === undefined ? undefined : await findPeerGroup(desk.database, given.peer_group_name)
  if (namesake !== undefined && namesake.id !== group.id)
    throw errors.peerGroupNameTaken({ name: namesake.peer_group_name }, { field: 'peer-group-name' })

  const { told, push } = byPeer ? nobodyTold : await tellPeers(context, group, given)
  try {
    return answerOf(await commit(context, group, given, { asker, byPeer, revision }, told))
  } finally {
    // What is lost here ends by itself.
    if (push !== undefined)
      await endPush(desk.database, group.id, push).catch((error: unknown) => desk.world.log.warn('a push was not ended', { error }))
  }
}

async function commit(
  { desk }: ApiContext,
  group: PeerGroupRow,
  given: Partial<PeerGroupColumns>,
  { asker, byPeer, revision }: GroupUpdate,
  told: readonly Told[],
): Promise<Changed> {
  const accepted = told.filter(({ failure }) => failure === undefined).map(({ record }) => record.association.id)
  const notTold = told.flatMap(({ record, failure }) => (failure === undefined ? [] : [`${record.peer.peer_name} (${failure})`]))
  if (told.length > 0 && accepted.length === 0) throw errors.peerGroupPushFailed({ name: group.peer_group_name, why: notTold.join('; ') })

  return claim(desk, asker, answerOf, async (tx) => {
    const before = await readPeerGroup(tx, group.id)
    if (before === undefined) throw errors.peerGroupNotFound()
    const associations = await readAssociationFacts(tx, { peerGroupIds: [group.id] })
    await requireAllowed(tx, before, given, associations)
    const row = (await updatePeerGroup(tx, desk.world, group.id, given))!
    if (byPeer && revision !== undefined) await confirmRevision(tx, standbysOf(associations), revision - 1, revision)
    if (changedColumns(sharedGroupColumns, before, given).length === 0) return { row, notTold }
    await announceChange(tx, desk.world, [group.id])
    // What was told is what stands here only if nobody else changed the group between the two.
    if (before.revision === group.revision) await confirmRevision(tx, accepted, before.revision, before.revision + 1)
    return { row: (await readPeerGroup(tx, group.id))!, notTold }
  })
}

const standbysOf = (records: readonly AssociationRecord[]): number[] =>
  records.filter(({ association }) => association.association_type === 'non-primary').map(({ association }) => association.id)

interface Told {
  readonly record: AssociationRecord
  readonly failure?: string
}

interface Telling {
  readonly told: readonly Told[]
  /** Under way until the change is made here, or is not. */
  readonly push: Timestamp | undefined
}

const nobodyTold: Telling = { told: [], push: undefined }

async function tellPeers(context: ApiContext, group: PeerGroupRow, given: Partial<PeerGroupColumns>): Promise<Telling> {
  const { database, world } = context.desk
  const pushed = changedColumns(pushedGroupColumns, group, given)
  if (pushed.length === 0) return nobodyTold
  const records = await readAssociationFacts(database, { peerGroupIds: [group.id], type: 'primary' })
  if (records.length === 0) return nobodyTold
  // Who is not available is not told.
  const anybody = records.some(({ peer }) => peer.availability_state === 'available')
  const push = anybody ? await beginPush(database, world, group.id, pushLeaseMs) : undefined
  const change = Object.fromEntries(pushed.map((column) => [column, given[column]]))
  const outcomes = await context.pushPeerGroup(
    group,
    change,
    records.map(({ peer }) => peer),
  )
  const told = records.map((record, index) => {
    const failure = outcomes[index]?.failure
    return failure === undefined ? { record } : { record, failure }
  })
  return { told, push }
}

async function requireAllowed(
  tx: Transaction<Schema>,
  before: PeerGroupRow,
  given: Partial<PeerGroupColumns>,
  associations: readonly AssociationRecord[],
): Promise<void> {
  const crosses = given.group_priority !== undefined && (given.group_priority === 0) !== (before.group_priority === 0)
  if (crosses && associations.length > 0) throw errors.peerGroupPriorityFixed({}, { field: 'group-priority' })
  if (given.migration_status === undefined || given.migration_status === before.migration_status) return
  // The state of a running migration is its own.
  const running = await liveJobFor(tx, peerGroupKeyOf(before.id))
  if (running !== undefined) throw errors.peerGroupBusy({ operation: running.kind, id: before.id })
}
