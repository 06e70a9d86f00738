import { ownerName } from './data-id.ts'
import type { ByteStore, OwnerMark } from './stores.ts'
import { StoreUnavailable } from './unavailable.ts'

/** Takes a store that is nobody's. Says what is wrong where it is another site's: each would remove the bytes of the other. */
export async function otherOwner(mark: OwnerMark, site: string): Promise<string | undefined> {
  const owner = await mark.read()
  if (owner === site) return undefined
  if (owner !== undefined)
    return `it is the store of the site '${owner.slice(0, 64)}': give this one a prefix in the bucket of its own; if it was called so before, remove ${ownerName} there`
  await mark.write(site)
  return undefined
}

/** The same store, which takes bytes only when it is this site's. */
export function owned(store: ByteStore & { readonly mark: OwnerMark }, site: string): ByteStore {
  let ours = false
  return {
    ...store,
    async create(dataId) {
      if (!ours) {
        const details = await otherOwner(store.mark, site)
        if (details !== undefined) throw new StoreUnavailable(store.id, 'be written to', { why: 'it belongs to another site', details })
        ours = true
      }
      return await store.create(dataId)
    },
  }
}
