import { join } from 'node:path'
import type { World } from '@murmuration/world'
import type { ByteStore } from './stores.ts'

const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Files below a folder of this machine, or of a shared file system; two hundred and fifty-six folders, so that none gets too large. */
export function createFileStore(world: World, id: string, folder: string): ByteStore {
  const pathOf = (dataId: string): string => {
    // Ids are ours; a path is made of nothing else, whatever the database says.
    if (!idPattern.test(dataId)) throw new Error(`not an id of data: ${JSON.stringify(dataId.slice(0, 64))}`)
    return join(folder, dataId.slice(0, 2), dataId)
  }
  return {
    id,
    type: 'file',
    properties: { data_dir: folder },
    create: (dataId) => world.files.create(pathOf(dataId)),
    read: (dataId, range) => world.files.stream(pathOf(dataId), range),
    size: (dataId) => world.files.size(pathOf(dataId)),
    remove: (dataId) => world.files.remove(pathOf(dataId)),
    async *list() {
      for (const part of await world.files.list(folder)) {
        const names = (await world.files.list(join(folder, part))).filter((name) => idPattern.test(name) && name.startsWith(part))
        if (names.length > 0) yield names
      }
    },
    url: (dataId) => `file://${pathOf(dataId)}`,
  }
}
