import type { AssociationThere, PeerGroupThere, SubcloudThere } from '@murmuration/clients'
import type { Database, Transaction } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import {
  afterMigration,
  copyIsWhole,
  followsLeaderThere,
  leaderAfter,
  leadsBefore,
  managedCounts,
  copiesOfPeer,
  whileMigrating,
  type Claimant,
  type Conclusions,
} from '../rules/migration-conclusions.ts'
import { readAssociationFacts, updateAssociation, type AssociationRecord } from '../store/associations.ts'
import { recordManager, readDocumentsOfMany, readMembersHere, giveUpMembers, restoreMembers } from '../store/peer-members.ts'
import { announceChange, readPeerGroup, updatePeerGroup, type PeerGroupRow } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { deleteSubclouds } from '../store/subclouds.ts'
import type { ControllerFacts } from './controller-facts.ts'
import { importsOf, writeImports, type RehomeImport } from './rehome-import.ts'
import { peerFailureOf, type Peers } from './peers.ts'
import type { AuditPeerGroup } from './peer-ports.ts'
import { changesTopic } from './topics.ts'

export interface PeerAuditParts {
  readonly site: Site
  readonly database: Database<Schema>
  readonly facts: Pick<ControllerFacts, 'ownSystem'>
  readonly peers: Peers
}

/** What the peer's copy of a group says. */
export type GroupThere = Omit<PeerGroupThere, 'id' | 'name'>

const requestMs = 30_000

/**
 * Draws this site's conclusions from a migration at a peer (reference dcmanager §7.10): the whole group in one transaction, in a number of
 * statements that does not grow with its members, and the same again changes nothing. The original converts one member a heartbeat.
 */
export async function auditGroup(
  parts: PeerAuditParts,
  record: AssociationRecord,
  there: GroupThere,
  known: { readonly copy?: AssociationThere | undefined; readonly signal?: AbortSignal } = {},
): Promise<'nothing' | 'migrating' | 'concluded' | 'waits'> {
  if (there.migrationStatus === undefined || record.group.migration_status === 'migrating') return 'nothing'
  const { database, site } = parts
  const { world } = site
  const { association, group, peer } = record
  if (there.migrationStatus === 'migrating') {
    await database.transaction(async (tx) => {
      const here = await lockGroup(tx, record)
      if (here === undefined) return
      const { pending } = whileMigrating(await readMembersHere(tx, group.id, association.id))
      await giveUpMembers(tx, world, pending, 'rehome-pending')
      if (association.remote_migration !== 'migrating')
        await updateAssociation(tx, world, association.id, { remote_migration: 'migrating' })
      if (pending.length > 0) tx.afterCommit(() => tellReaders(site))
    })
    return 'migrating'
  }

  const client = parts.peers.of(peer)
  const call = { deadlineMs: requestMs, ...(known.signal === undefined ? {} : { signal: known.signal }) }
  const { subclouds: members } = await client.members(group.peer_group_name, call)
  const copy = known.copy ?? (await copyThere(parts, record, call))
  const outOfSyncThere = copy?.syncStatus === 'out-of-sync'
  const primary = association.association_type === 'primary'
  const localId = (await parts.facts.ownSystem()).uuid
  const concluded = await database.transaction(async (tx) => {
    const here = await lockGroup(tx, record)
    if (here === undefined) return undefined
    const mine = await readMembersHere(tx, group.id, association.id)
    const peerId = peer.peer_uuid.toLowerCase()
    const conclusions = afterMigration(mine, members, peerId)
    const imports = outOfSyncThere ? await readImports(tx, parts, conclusions, mine, members) : []
    await writeImports(tx, site, imports)
    await giveUpMembers(tx, world, conclusions.standby, { managedBy: peerId })
    await giveUpMembers(tx, world, conclusions.failed, 'rehome-failed')
    await deleteSubclouds(tx, world, conclusions.gone)
    const left = new Set([...conclusions.standby, ...conclusions.failed, ...conclusions.gone])
    const leader = leaderAfter({
      ...sidesOf(record, here, there, localId),
      ...managedCounts(
        mine.filter((member) => !left.has(member.id)),
        members,
      ),
    })
    const { revision } = await recordLeader(tx, parts, here, leader === 'peer' ? there : undefined)
    // While another one leads, who has these stays an alarm.
    if (there.leaderId === peerId && (leader === 'peer' || here.system_leader_id === peerId))
      await recordManager(tx, world, copiesOfPeer(peerId, mine, members), peerId)
    const anyFailed = members.some((member) => member.deployStatus === 'rehome-failed' || member.deployStatus === 'rehome-prep-failed')
    const waits = conclusions.waiting.length > 0
    // What the peer never had it still does not have; a takeover confirms nothing but who manages what (reference §7.10).
    const gone = new Set(conclusions.gone)
    const whole =
      primary &&
      !(outOfSyncThere && anyFailed) &&
      (copy?.receivedRevision ?? association.synced_revision) === association.synced_revision &&
      copyIsWhole(
        {
          group: { state: here.group_state, maxSubcloudRehoming: here.max_subcloud_rehoming },
          members: mine.filter((member) => !gone.has(member.id)),
        },
        { group: there, members },
      )
    if (primary && !whole && association.synced_revision >= revision) await announceChange(tx, world, [group.id])
    await updateAssociation(tx, world, association.id, {
      remote_migration: waits ? 'complete' : null,
      ...(primary ? { sync_failure: null } : {}),
      ...(whole ? { synced_revision: revision } : {}),
    })
    tx.afterCommit(() => tellReaders(site))
    return waits ? undefined : { revision: whole ? revision : undefined }
  })
  if (concluded === undefined) return 'waits'
  // Its copy has the revision that the change of the leader made, or it would be taken for one that was restored.
  if (concluded.revision !== undefined && copy !== undefined)
    await client.reportStatus(copy.id, 'in-sync', { ...call, revision: concluded.revision })
  // Last: when it gets lost the peer goes on saying `complete`, and this happens again.
  await client.updateGroup(group.peer_group_name, { migrationStatus: null }, call)
  return 'concluded'
}

/** The group as it is in this transaction; undefined when it is gone or migrates itself. One audit of a group at a time. */
async function lockGroup(tx: Transaction<Schema>, { group }: AssociationRecord) {
  await tx.lock(`peer-group:${group.id}`)
  const here = await readPeerGroup(tx, group.id)
  return here === undefined || here.migration_status === 'migrating' ? undefined : here
}

/** The association as the peer has it. */
async function copyThere(
  parts: PeerAuditParts,
  { group, peer }: AssociationRecord,
  call: { readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<AssociationThere | undefined> {
  const client = parts.peers.of(peer)
  const me = await client.systemPeer((await parts.facts.ownSystem()).uuid, call)
  const groupThere = await client.group(group.peer_group_name, call)
  if (me === undefined || groupThere === undefined) return undefined
  return (await client.associations(call)).find((each) => each.peerGroupId === groupThere.id && each.systemPeerId === me.id)
}

const sidesOf = ({ peer }: AssociationRecord, here: PeerGroupRow, there: GroupThere, localId: string) => ({
  localId,
  peerId: peer.peer_uuid.toLowerCase(),
  leaderHere: here.system_leader_id,
  leaderThere: there.leaderId,
  priorityHere: here.group_priority,
  priorityThere: there.priority,
})

/**
 * The two copies name different leaders and nobody migrates: one of the sites was restored from a copy of before a takeover, and nobody
 * will ever tell it again. Both sites judge by the same facts, asked anew, and one of them follows. True when something was written.
 */
export async function settleLeader(parts: PeerAuditParts, record: AssociationRecord, signal?: AbortSignal): Promise<boolean> {
  const { database, site } = parts
  const { association, group, peer } = record
  const client = parts.peers.of(peer)
  const call = { deadlineMs: requestMs, ...(signal === undefined ? {} : { signal }) }
  const there = await client.group(group.peer_group_name, call)
  if (there === undefined || there.migrationStatus !== undefined || there.leaderId === group.system_leader_id) return false
  const { subclouds: members } = await client.members(group.peer_group_name, call)
  const localId = (await parts.facts.ownSystem()).uuid
  if (areTwoStandbys(record, there, localId)) {
    const rival = await claimOfLeader(parts, record, call)
    if (rival !== undefined && !leadsBefore({ priority: there.priority, members }, rival)) {
      await client.updateGroup(group.peer_group_name, { leaderId: group.system_leader_id, leaderName: group.system_leader_name }, call)
      return false
    }
    return await database.transaction(async (tx) => {
      const here = await lockGroup(tx, record)
      if (here === undefined || here.migration_status !== null || here.system_leader_id !== group.system_leader_id) return false
      await recordLeader(tx, parts, here, there)
      return true
    })
  }
  return await database.transaction(async (tx) => {
    const here = await lockGroup(tx, record)
    // What has changed meanwhile is judged at the next heartbeat.
    if (here === undefined || here.migration_status !== null || here.system_leader_id !== group.system_leader_id) return false
    const mine = await readMembersHere(tx, group.id, association.id)
    if (!followsLeaderThere({ ...sidesOf(record, here, there, localId), ...managedCounts(mine, members) })) return false
    await recordLeader(tx, parts, here, there)
    if (there.leaderId !== localId) {
      const { standby, failed } = afterMigration(mine, members, peer.peer_uuid.toLowerCase())
      await giveUpMembers(tx, site.world, standby, { managedBy: peer.peer_uuid.toLowerCase() })
      await giveUpMembers(tx, site.world, failed, 'rehome-failed')
    }
    tx.afterCommit(() => tellReaders(site))
    return true
  })
}

/** This site owns the group; the peer leads it as it says, and a third site as this one says. */
const areTwoStandbys = ({ group, peer }: AssociationRecord, there: GroupThere, localId: string): boolean =>
  group.group_priority < there.priority &&
  there.leaderId === peer.peer_uuid.toLowerCase() &&
  ![localId, there.leaderId].includes(group.system_leader_id)

/** What the leader that this site names says for itself; undefined when it can't be asked for long, or does not say that it leads. */
async function claimOfLeader(
  parts: PeerAuditParts,
  { group }: AssociationRecord,
  call: { readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<Claimant | undefined> {
  const records = await readAssociationFacts(parts.database, { peerGroupIds: [group.id] })
  const leader = records.find((each) => each.peer.peer_uuid.toLowerCase() === group.system_leader_id)?.peer
  if (leader === undefined || leader.availability_state === 'unavailable') return undefined
  const client = parts.peers.of(leader)
  const there = await client.group(group.peer_group_name, call)
  if (there === undefined || there.leaderId !== group.system_leader_id) return undefined
  return { priority: there.priority, members: (await client.members(group.peer_group_name, call)).subclouds }
}

/**
 * The peer gave its migration up, and this site leads as before: it takes back what it had given up, but for members that the peer has
 * taken over all the same. True when it is done; what fails is done at the next heartbeat.
 */
export async function takeBack(parts: PeerAuditParts, record: AssociationRecord, signal?: AbortSignal): Promise<boolean> {
  const { database, site } = parts
  const { association, group, peer } = record
  const client = parts.peers.of(peer)
  const call = { deadlineMs: requestMs, ...(signal === undefined ? {} : { signal }) }
  const localId = (await parts.facts.ownSystem()).uuid
  const there = await client.group(group.peer_group_name, call)
  if (there === undefined || there.migrationStatus !== undefined || there.leaderId !== localId) return false
  const { subclouds: members } = await client.members(group.peer_group_name, call)
  return await database.transaction(async (tx) => {
    const here = await lockGroup(tx, record)
    if (here === undefined || here.migration_status !== null || here.system_leader_id !== localId) return false
    const mine = await readMembersHere(tx, group.id, association.id)
    const { standby } = afterMigration(mine, members, peer.peer_uuid.toLowerCase())
    await giveUpMembers(tx, site.world, standby, { managedBy: peer.peer_uuid.toLowerCase() })
    await restoreMembers(
      tx,
      site.world,
      mine.filter((member) => member.deployStatus === 'rehome-pending' && !standby.includes(member.id)).map((member) => member.id),
    )
    await updateAssociation(tx, site.world, association.id, { remote_migration: null })
    tx.afterCommit(() => tellReaders(site))
    return true
  })
}

/** Another leader is a change that all other peers of the group have to be told; this one knows. */
async function recordLeader(
  tx: Transaction<Schema>,
  { site }: PeerAuditParts,
  here: PeerGroupRow,
  there: GroupThere | undefined,
): Promise<{ readonly revision: number }> {
  if (there === undefined || there.leaderId === here.system_leader_id) return here
  await updatePeerGroup(tx, site.world, here.id, {
    system_leader_id: there.leaderId,
    system_leader_name: there.leaderName,
    // A migration of ours that another one followed is no news any more.
    migration_status: null,
  })
  await announceChange(tx, site.world, [here.id])
  return { revision: here.revision + 1 }
}

async function readImports(
  tx: Transaction<Schema>,
  { site }: PeerAuditParts,
  conclusions: Conclusions,
  mine: Awaited<ReturnType<typeof readMembersHere>>,
  members: readonly SubcloudThere[],
): Promise<readonly RehomeImport[]> {
  const ids = new Set(conclusions.standby)
  const copies = new Map(members.map((member) => [member.regionName, member]))
  const documents = await readDocumentsOfMany(tx, site.keyring, [...ids], ['bootstrap_values'])
  return mine.flatMap((member) => {
    const data = ids.has(member.id) ? copies.get(member.regionName)?.rehomeData : undefined
    return data === undefined ? [] : importsOf(member.id, documents.get(member.id)?.bootstrap_values, data)
  })
}

function tellReaders({ bus, world }: Site): void {
  bus
    .client(changesTopic)
    .changed({})
    .catch((error: unknown) => world.log.debug('a wake-up was not sent', { error }))
}

/**
 * The audit that a peer asks for (operation 41); the text is for that peer's log. The request only says where to look: what is concluded
 * follows from what that system itself answers, whoever sent the request.
 */
export function createAuditOnRequest(parts: PeerAuditParts): AuditPeerGroup {
  return async (group, peerUuid) => {
    const records = await readAssociationFacts(parts.database, { peerGroupIds: [group.id] })
    const record = records.find((each) => each.peer.peer_uuid.toLowerCase() === peerUuid.toLowerCase())
    if (record === undefined) return `peer group ${group.peer_group_name} has no association with a system peer ${peerUuid} here`
    try {
      const there = await parts.peers.of(record.peer).group(group.peer_group_name, { deadlineMs: requestMs })
      const outcome = there === undefined ? 'nothing' : await auditGroup(parts, record, there)
      return outcome === 'waits' ? 'operations still run on members here; they are looked at again at the next heartbeat' : null
    } catch (error) {
      const failure = peerFailureOf(error)
      if (failure === undefined) throw error
      return `the audit is made again at the next heartbeat: ${failure}`
    }
  }
}
