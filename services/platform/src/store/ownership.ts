import { timestamp, type Database } from '@murmuration/data'
import { mayClaim, type Owner, type Presented } from '../rules/ownership.ts'
import type { Db, OwnershipRow, Schema } from './schema.ts'

export const readOwnership = (db: Db): Promise<OwnershipRow | undefined> => db.query.selectFrom('ownership').selectAll().executeTakeFirst()

export const ownerOf = (row: OwnershipRow | undefined): Owner | undefined =>
  row === undefined ? undefined : { owner: row.owner, ownerName: row.owner_name, epoch: row.epoch }

export interface Claimed {
  /** False: somebody else has it, or this owner has it under a later epoch; nothing was changed. */
  readonly taken: boolean
  readonly row: OwnershipRow
}

/** Compare-and-set of the owner, safe against any number of claimants in any number of processes. */
export const claimOwnership = (database: Database<Schema>, claim: Owner, nowMs: number): Promise<Claimed> =>
  database.transaction(async (tx) => {
    await tx.lock('platform:ownership')
    const current = await readOwnership(tx)
    if (current !== undefined && !mayClaim(ownerOf(current), claim)) return { taken: false, row: current }
    if (current !== undefined && current.epoch === claim.epoch) return { taken: true, row: current }
    const row: OwnershipRow = {
      slot: 1,
      owner: claim.owner.toLowerCase(),
      owner_name: claim.ownerName,
      epoch: claim.epoch,
      claimed_at: timestamp(nowMs),
      last_heard_at: null,
      refused_system: null,
      refused_epoch: null,
      refused_at: null,
      refused_count: 0,
    }
    await tx.query.deleteFrom('ownership').execute()
    await tx.query.insertInto('ownership').values(row).execute()
    return { taken: true, row }
  })

/** Nobody owns the site any more: the next controller needs no epoch, and one that knows nothing of epochs is served again. */
export const releaseOwnership = (database: Database<Schema>): Promise<OwnershipRow | undefined> =>
  database.transaction(async (tx) => {
    await tx.lock('platform:ownership')
    return tx.query.deleteFrom('ownership').returningAll().executeTakeFirst()
  })

/** The owner's request was served; only while it still is the owner. */
export async function noteHeard(db: Db, owner: Owner, nowMs: number): Promise<void> {
  await db.query
    .updateTable('ownership')
    .set({ last_heard_at: timestamp(nowMs) })
    .where('owner', '=', owner.owner)
    .where('epoch', '=', owner.epoch)
    .execute()
}

/** Somebody who is not the owner was refused, so many times since this was written last. */
export async function noteRefused(db: Db, presented: Presented | undefined, count: number, nowMs: number): Promise<void> {
  await db.query
    .updateTable('ownership')
    .set((eb) => ({
      refused_system: presented?.system ?? null,
      refused_epoch: presented?.epoch ?? null,
      refused_at: timestamp(nowMs),
      refused_count: eb('refused_count', '+', count),
    }))
    .execute()
}
