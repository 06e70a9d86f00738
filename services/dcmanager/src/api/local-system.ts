import { errors } from '../errors.ts'
import { readAssociationFacts } from '../store/associations.ts'
import type { Queryable } from '@murmuration/data'
import type { Schema } from '../store/schema.ts'
import type { ApiContext } from './context.ts'

export interface LocalSystem {
  readonly uuid: string
  readonly name: string
}

/** This controller's own uuid and name; 503 while its platform service can't be asked. */
export async function localSystem({ facts }: Pick<ApiContext, 'facts'>): Promise<LocalSystem> {
  try {
    const { uuid, name } = await facts.system()
    return { uuid: uuid.toLowerCase(), name }
  } catch {
    throw errors.controllerUnknown({ what: 'system uuid and name' })
  }
}

/** Whether every peer for which this site is a standby of the group is away; true when there is none to ask. */
export async function isOwnerAway(db: Queryable<Schema>, peerGroupId: number): Promise<boolean> {
  const owners = await readAssociationFacts(db, { peerGroupIds: [peerGroupId], type: 'non-primary' })
  return owners.every(({ peer }) => peer.availability_state === 'unavailable')
}
