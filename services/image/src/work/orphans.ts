import type { World } from '@murmuration/world'
import { knownData } from '../store/data.ts'
import type { ImageDatabase } from '../store/schema.ts'
import { otherOwner } from './stores/owner.ts'
import type { ByteStore } from './stores/stores.ts'

/**
 * Removes what lies in a store and is written down nowhere; returns how much that was. Only where the store is this site's: one that is
 * another's, or whose bytes are all unknown here because the database is a new one, is left alone, and the log says so.
 */
export async function removeOrphans(world: World, database: ImageDatabase, site: string, store: ByteStore): Promise<number> {
  const others = await notOurs(database, site, store)
  if (others !== undefined) {
    world.log.error('a store is not cleaned up', { store: store.id, why: others })
    return 0
  }
  let count = 0
  const judge = async (ids: readonly string[], unfinished = false): Promise<void> => {
    const known = await knownData(database, store.id, ids)
    for (const id of ids) {
      const state = known.get(id)
      // Begun twice, because the first answer was lost; the second is whole.
      const remains = unfinished && (state === 'stored' || state === 'staged')
      if (state !== undefined && !remains) continue
      count += 1
      world.log.warn('bytes that no image has are removed', { store: store.id, dataId: id })
      await (remains ? store.removeUnfinished(id) : store.remove(id))
    }
  }
  // A row is there before its first byte and until after its last, so what has none is nobody's.
  for await (const ids of store.list()) await judge(ids)
  for await (const id of store.unfinished()) await judge([id], true)
  return count
}

/** Why this site must not remove what it does not know; undefined where it may. */
async function notOurs(database: ImageDatabase, site: string, store: ByteStore): Promise<string | undefined> {
  let empty = true
  let known = false
  for await (const ids of store.list()) {
    empty = false
    if ((known = (await knownData(database, store.id, ids)).size > 0)) break
  }
  if (!empty && !known) return 'the database of this site knows none of the bytes there: is it the right one?'
  return store.mark === undefined ? undefined : await otherOwner(store.mark, site)
}
