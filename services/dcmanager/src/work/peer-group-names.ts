import { timestamp } from '@murmuration/data'
import type { HeardFromPeer } from '../rules/peer-observation.ts'
import { updateAssociation, type AssociationRecord } from '../store/associations.ts'
import { readMembersHere } from '../store/peer-members.ts'
import type { PeerAuditParts } from './peer-group-audit.ts'
import { peerFailureOf } from './peers.ts'

const requestMs = 10_000

/**
 * Sites know a group of each other by its name. A peer that was away while the group was renamed, or was told of a name that then was not
 * taken here, has it under another one: neither its association nor a takeover there would ever be found, and a sync would make a second
 * group beside it. What is left over on both sides shows it: here one association without its group there, there one group that is
 * associated with this site and is none of ours, with members of ours in it. It gets its name.
 */
export async function restoreGroupName(
  { database, peers, site }: Omit<PeerAuditParts, 'facts'>,
  records: readonly AssociationRecord[],
  heard: HeardFromPeer,
  signal: AbortSignal,
): Promise<void> {
  const { world } = site
  const there = new Set(heard.groups.map((group) => group.name))
  const here = new Set(records.map(({ group }) => group.peer_group_name))
  const lost = records.filter(({ association, group }) => association.association_type === 'primary' && !there.has(group.peer_group_name))
  const ours = heard.associations.filter((each) => each.systemPeerId === heard.systemPeerId).map((each) => each.peerGroupId)
  const strays = heard.groups.filter((group) => group.priority > 0 && ours.includes(group.id) && !here.has(group.name))
  const [record] = lost
  const [stray] = strays
  if (record === undefined || stray === undefined || lost.length + strays.length > 2) return
  const { association, group, peer, running } = record
  // Another name may be on its way there.
  if (running !== undefined || (group.push_until ?? '') > timestamp(world.clock.nowMs())) return
  const client = peers.of(peer)
  const call = { deadlineMs: requestMs, signal }
  try {
    const { subclouds } = await client.members(stray.name, call)
    const regions = new Set((await readMembersHere(database, group.id, association.id)).map((member) => member.regionName))
    if (subclouds.length > 0 && !subclouds.some((copy) => regions.has(copy.regionName))) return
    await client.updateGroup(stray.name, { newName: group.peer_group_name }, call)
    await updateAssociation(database, world, association.id, { sync_failure: null })
    world.log.warn('a peer had a group under another name; it was told the name', {
      peer: peer.peer_name,
      group: group.peer_group_name,
      was: stray.name,
    })
  } catch (error) {
    const reason = peerFailureOf(error)
    if (reason === undefined) throw error
    world.log.warn('a peer could not be told the name of a group; it is told at the next heartbeat', { peer: peer.peer_name, reason })
  }
}
