import type { Database } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { peerGroupKeyOf } from '../rules/operations.ts'
import { announceChange, updatePeerGroup } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import type { OwnSystem } from './controller-facts.ts'

/**
 * Groups that say `migrating` while no job migrates them (rows of an imported database): the original leaves them so until the next
 * migration. A migration that took members over is complete, and its site leads; one that took none never was. Tells how many.
 */
export async function repairMigrations(world: World, database: Database<Schema>, ownSystem: () => Promise<OwnSystem>): Promise<number> {
  const migrating = await database.query
    .selectFrom('subcloud_peer_group')
    .select('id')
    .where('migration_status', '=', 'migrating')
    .execute()
  if (migrating.length === 0) return 0
  const here = await ownSystem()
  return await database.transaction(async (tx) => {
    const groups = await tx.query
      .selectFrom('subcloud_peer_group')
      .select(['id', 'peer_group_name'])
      .where('migration_status', '=', 'migrating')
      .orderBy('id')
      .execute()
    if (groups.length === 0) return 0
    const keys = groups.map((group) => peerGroupKeyOf(group.id))
    // A key is held exactly as long as its job lives.
    const held = await tx.query.selectFrom('jobs').select('exclusive_key').where('exclusive_key', 'in', keys).execute()
    const busy = new Set(held.map((job) => job.exclusive_key))
    const lost = groups.filter((group) => !busy.has(peerGroupKeyOf(group.id)))
    if (lost.length === 0) return 0
    const taken = await tx.query
      .selectFrom('subclouds')
      .select('peer_group_id')
      .distinct()
      .where(
        'peer_group_id',
        'in',
        lost.map((group) => group.id),
      )
      .where('management_state', '=', 'managed')
      .execute()
    const ids = new Set(taken.map((row) => row.peer_group_id))
    for (const group of lost) {
      const complete = ids.has(group.id)
      await updatePeerGroup(tx, world, group.id, {
        migration_status: complete ? 'complete' : null,
        ...(complete ? { system_leader_id: here.uuid, system_leader_name: here.name } : {}),
      })
      world.log.warn('a migration was lost without an operation', { group: group.peer_group_name, result: complete ? 'complete' : 'none' })
    }
    await announceChange(
      tx,
      world,
      lost.map((group) => group.id),
    )
    return lost.length
  })
}
