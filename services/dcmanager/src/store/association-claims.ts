import { isUniqueViolation, type Transaction } from '@murmuration/data'
import { errors } from '../errors.ts'
import { associationKeyOf, type AssociationDeleteInput, type AssociationSyncInput } from '../rules/operations.ts'
import {
  deleteAssociation,
  insertAssociation,
  readAssociation,
  readAssociationFacts,
  updateAssociation,
  type AssociationColumns,
  type AssociationRecord,
} from './associations.ts'
import { claim, enqueueOn, requireQuietPeerGroup, type AnswerOf, type Asker, type Desk } from './claims.ts'
import { readPeerGroup } from './peer-groups.ts'
import type { Schema } from './schema.ts'
import { readSystemPeer } from './system-peers.ts'

export interface ClaimedAssociation {
  readonly record: AssociationRecord
  /** Absent when there is nothing to do: the owner's site tells a non-primary one. */
  readonly jobId: string | undefined
}

export interface NewAssociationRequest {
  readonly peerGroupId: number
  readonly systemPeerId: number
  /** Of the group on the peer. */
  readonly priority: number | undefined
}

/** Type and rule of the priority follow from the group's own priority (reference dcmanager §1.13); a primary one is synced at once. */
export async function claimNewAssociation(
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<ClaimedAssociation>,
  request: NewAssociationRequest,
): Promise<ClaimedAssociation> {
  const { peerGroupId, systemPeerId, priority } = request
  try {
    return await claim(desk, asker, answerOf, async (tx) => {
      const group = await readPeerGroup(tx, peerGroupId)
      if (group === undefined) throw errors.peerGroupInvalid({ group: peerGroupId }, { field: 'peer_group_id' })
      if ((await readSystemPeer(tx, systemPeerId)) === undefined)
        throw errors.systemPeerInvalid({ peer: systemPeerId }, { field: 'system_peer_id' })
      const primary = group.group_priority === 0
      if (primary && priority === undefined) throw errors.associationPriorityMissing({}, { field: 'peer_group_priority' })
      if (!primary && priority !== undefined) throw errors.associationPriorityForbidden({}, { field: 'peer_group_priority' })
      const [twin] = await readAssociationFacts(tx, { peerGroupIds: [peerGroupId], systemPeerIds: [systemPeerId] })
      if (twin !== undefined) throw errors.associationTaken({ id: twin.association.id })
      const { id } = await insertAssociation(tx, desk.world, {
        peer_group_id: peerGroupId,
        system_peer_id: systemPeerId,
        association_type: primary ? 'primary' : 'non-primary',
        peer_group_priority: priority ?? null,
      })
      const jobId = primary ? await enqueueSync(desk, tx, asker, { associationId: id }) : undefined
      // Its peer has heartbeats from now on.
      tx.afterCommit(() => desk.wakeManagers())
      return { record: await requireAssociation(tx, id), jobId }
    })
  } catch (error) {
    if (isUniqueViolation(error) && /association/.test(error.constraint ?? '')) throw errors.associationTaken({ id: '' })
    throw error
  }
}

export interface SyncRequest {
  /** System UUID of this controller: only who leads the group may say what the group is. */
  readonly localSystemId: string
  readonly groupOnly?: boolean
  /** Of the group on the peer: a new one. */
  readonly priority?: number
}

/** `syncing` from the commit on: the job is the state. A failure of the sync before it is void (reference dcmanager §3.7). */
export const claimAssociationSync = (
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<ClaimedAssociation>,
  associationId: number,
  request: SyncRequest,
): Promise<ClaimedAssociation> =>
  claim(desk, asker, answerOf, async (tx) => {
    const { association, group } = await requireAssociation(tx, associationId)
    const { localSystemId, groupOnly, priority } = request
    if (association.association_type !== 'primary')
      throw errors.associationNotPrimary({ what: priority === undefined ? 'sync' : 'priority update' })
    if (group.system_leader_id !== localSystemId)
      throw errors.associationLeaderElsewhere({ group: group.peer_group_name, leader: group.system_leader_name })
    const jobId = await enqueueSync(desk, tx, asker, { associationId, ...(groupOnly === undefined ? {} : { groupOnly }) })
    const columns: AssociationColumns = {
      sync_failure: null,
      // What the peer has confirmed has another priority: until it confirms again nothing agrees, whatever happens to the job.
      ...(priority === undefined || priority === association.peer_group_priority
        ? {}
        : { peer_group_priority: priority, synced_revision: Math.min(association.synced_revision, group.revision - 1) }),
    }
    await updateAssociation(tx, desk.world, associationId, columns)
    return { record: await requireAssociation(tx, associationId), jobId }
  })

/**
 * Primary: a job, for the peer has to be told. Non-primary: gone when this returns; the owner's site sees it by itself. Neither while the
 * group migrates to this site, whoever asks: the other site would never learn what was taken over.
 */
export const claimAssociationDelete = (
  desk: Desk,
  asker: Asker,
  answerOf: AnswerOf<string | undefined>,
  associationId: number,
): Promise<string | undefined> =>
  claim(desk, asker, answerOf, async (tx) => {
    const { association, group } = await requireAssociation(tx, associationId)
    await requireQuietPeerGroup(tx, group.id)
    if (association.association_type === 'primary')
      return enqueueOn<AssociationDeleteInput>(desk, tx, asker, 'association.delete', associationKeyOf(associationId), { associationId })
    await deleteAssociation(tx, associationId)
    tx.afterCommit(() => desk.wakeManagers())
    return undefined
  })

export async function requireAssociation(tx: Transaction<Schema>, id: number): Promise<AssociationRecord> {
  const record = await readAssociation(tx, id)
  if (record === undefined) throw errors.associationNotFound()
  return record
}

const enqueueSync = (desk: Desk, tx: Transaction<Schema>, asker: Asker, input: AssociationSyncInput): Promise<string> =>
  enqueueOn(desk, tx, asker, 'association.sync', associationKeyOf(input.associationId), input)
