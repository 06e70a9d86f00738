import type { PeerGroupThere } from '@murmuration/clients'
import type { Transaction } from '@murmuration/data'
import { defineJob, type JobContext, type JobKind } from '@murmuration/jobs'
import { standbyClass } from '../rules/migration-conclusions.ts'
import type { AssociationDeleteInput } from '../rules/operations.ts'
import { deleteAssociation, readAssociation, updateAssociation, type AssociationRecord } from '../store/associations.ts'
import type { Schema } from '../store/schema.ts'
import { SyncRefused, syncLimits, type AssociationParts } from './association-sync.ts'
import { atOnce } from './at-once.ts'
import { isUnreachable, peerFailureOf } from './peers.ts'

/** Something has to happen at the peer first: the association is kept, and its message says so. */
class Kept extends SyncRefused {}

/**
 * Takes the standby copies, the group and the association from the peer, then the association from here (reference dcmanager §7.8). An
 * unreachable peer fails it and everything stays, and so does one that takes the group over: what it has taken would be nobody's. A peer
 * that is another system, or does not have the group, has nothing of ours. What the peer manages stays with it.
 */
export function associationDeleteKind(parts: AssociationParts): JobKind<AssociationDeleteInput, void> {
  const { world } = parts.site
  return defineJob<AssociationDeleteInput, void>({
    name: 'association.delete',
    concurrency: syncLimits.syncsAtOnce,
    run: async (context) => {
      try {
        await remove(parts, context)
      } catch (error) {
        const failure = peerFailureOf(error)
        if (failure === undefined || context.signal.aborted) throw error
        throw new SyncRefused(isUnreachable(error) ? `the peer is unreachable: ${failure}` : failure, { cause: error })
      }
    },
    settle: async (tx: Transaction<Schema>, job, outcome) => {
      const { associationId } = JSON.parse(job.input) as AssociationDeleteInput
      if (outcome.state === 'done') await deleteAssociation(tx, associationId)
      else if (outcome.error instanceof Kept) await updateAssociation(tx, world, associationId, { sync_failure: outcome.error.message })
    },
  })
}

async function remove(parts: AssociationParts, context: JobContext<AssociationDeleteInput>): Promise<void> {
  const record = await readAssociation(parts.database, context.input.associationId)
  // Gone already, with the group or the peer.
  if (record === undefined) return
  const { group, peer } = record
  const client = parts.peers.of(peer)
  const call = { deadlineMs: syncLimits.requestMs, signal: context.signal }
  const name = group.peer_group_name

  const there = await context.step('peer', async () => {
    context.progress('asking the peer who it is')
    const found = await client.system(call)
    if (found.uuid !== peer.peer_uuid.toLowerCase()) return null
    const groupThere = await client.group(name, call)
    if (groupThere === undefined) return null
    if (groupThere.priority === 0) throw new SyncRefused(`peer group ${name} at ${peer.peer_name} has priority 0 and is not a copy of ours`)
    const takenOver = takeoverOf(groupThere, record)
    if (takenOver !== undefined)
      throw new Kept(
        `Peer site (${peer.peer_name}) ${takenOver}, which this site has to hear of first. Delete the association when it has.`,
      )
    const me = await client.systemPeer((await parts.facts.ownSystem()).uuid, call)
    return { groupId: groupThere.id, systemPeerId: me?.id ?? null }
  })
  if (there === null) return context.progress(`nothing of it was found at ${peer.peer_name}`)

  const left = await context.step('members', async () => {
    const { subclouds } = await client.members(name, call)
    const copies = subclouds.filter((copy) => standbyClass.has(copy.deployStatus))
    const others = subclouds.filter((copy) => !standbyClass.has(copy.deployStatus)).map((copy) => `${copy.name} (${copy.deployStatus})`)
    const failures: string[] = []
    let done = 0
    await atOnce(syncLimits.membersAtOnce, copies, async (copy) => {
      try {
        await client.deleteSubcloud(copy.name, { ...call, deadlineMs: syncLimits.memberMs })
      } catch (error) {
        const why = peerFailureOf(error)
        if (why === undefined || isUnreachable(error) || context.signal.aborted) throw error
        failures.push(`${copy.name} (${why})`)
      }
      context.progress(`${++done} of ${copies.length} standby copies deleted there`)
    })
    return { count: failures.length, named: first(failures), others: { count: others.length, named: first(others) } }
  })
  if (left.count > 0)
    throw new Kept(
      `Peer site (${peer.peer_name}): ${left.count} standby copies could not be deleted there: ${left.named.join(', ')}. Delete the association again.`,
    )

  await context.step('association', async () => {
    const found = (await client.associations(call)).find(
      (each) => each.peerGroupId === there.groupId && each.systemPeerId === there.systemPeerId,
    )
    if (found !== undefined) await client.deleteAssociation(found.id, call)
  })
  await context.step('group', async () => {
    await client.deleteGroup(name, call)
  })
  if (left.others.count === 0) return
  // The body of the answer has no place for it (reference §1.13): a header, the operation and the log have.
  const { count, named } = left.others
  context.progress(`${count} subcloud(s) were left at ${peer.peer_name}, in no group, for they are no standby copies: ${named.join(', ')}`)
  parts.site.world.log.warn('subclouds were left at the peer of a deleted association: they are no standby copies', {
    group: name,
    peer: peer.peer_name,
    count,
    subclouds: named,
  })
}

const first = (texts: readonly string[]): string[] => texts.toSorted().slice(0, syncLimits.namedFailures)

/** What the peer does, or has done, with the group that this site has not concluded from yet; undefined when both agree. */
function takeoverOf(there: PeerGroupThere, { group, peer }: AssociationRecord): string | undefined {
  if (there.migrationStatus === 'migrating') return `migrates ${there.name} to itself`
  const leads = there.leaderId === peer.peer_uuid.toLowerCase() && there.leaderId !== group.system_leader_id.toLowerCase()
  return there.migrationStatus === 'complete' || leads ? `has taken ${there.name} over` : undefined
}
