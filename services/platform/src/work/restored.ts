import type { Database } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { readOwnership } from '../store/ownership.ts'
import type { OwnershipRow, Schema } from '../store/schema.ts'

/** Read from the state that a restore replaces: who owned the site last. */
export const ownerToKeep = (present: Database<Schema>): Promise<OwnershipRow | undefined> => readOwnership(present)

/**
 * An owner does not come back with an older state of the site: of the two, the one with the later epoch stays, so that a former system
 * controller is refused after a restore as it was before.
 */
export async function keepLaterOwner(_world: World, database: Database<Schema>, present: OwnershipRow | undefined): Promise<void> {
  if (present === undefined) return
  await database.transaction(async (tx) => {
    await tx.lock('platform:ownership')
    const restored = await readOwnership(tx)
    if (restored !== undefined && restored.epoch >= present.epoch) return
    await tx.query.deleteFrom('ownership').execute()
    await tx.query.insertInto('ownership').values(present).execute()
  })
}
