import { basename, join } from 'node:path'
import type { World } from '@murmuration/world'
import { idPattern } from './data-id.ts'
import type { ByteStore } from './stores.ts'
import { StoreUnavailable } from './unavailable.ts'

const pageSize = 200
/** These have words of their own. */
const told: ReadonlySet<string> = new Set(['EEXIST', 'ENOSPC', 'EDQUOT'])

/** Files below a folder of this machine, or of a shared file system; two hundred and fifty-six folders, so that none gets too large. */
export function createFileStore(world: World, id: string, folder: string): ByteStore {
  const pathOf = (dataId: string): string => {
    // Ids are ours; a path is made of nothing else, whatever the database says.
    if (!idPattern.test(dataId)) throw new Error(`not an id of data: ${JSON.stringify(dataId.slice(0, 64))}`)
    return join(folder, dataId.slice(0, 2), dataId)
  }
  /** What the system refuses is a matter of the folder, or of its disk. */
  const failure = (doing: string, error: unknown): unknown => {
    const { code, syscall } = error as NodeJS.ErrnoException
    return syscall === undefined || code === undefined || told.has(code)
      ? error
      : new StoreUnavailable(id, doing, { why: 'its folder can not be used', details: (error as Error).message, cause: error })
  }
  async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw failure(doing, error)
    }
  }
  return {
    id,
    type: 'file',
    properties: { data_dir: folder },
    async create(dataId) {
      const path = pathOf(dataId)
      return await attempt('be written to', async () => {
        if ((await world.files.size(path)) !== undefined) throw Object.assign(new Error('there is data already'), { code: 'EEXIST' })
        return await world.files.create(path)
      })
    },
    async *read(dataId, range) {
      try {
        yield* world.files.stream(pathOf(dataId), range)
      } catch (error) {
        throw failure('be read', error)
      }
    },
    async size(dataId) {
      const bytes = await attempt('be asked', () => world.files.size(pathOf(dataId)))
      // A folder that is not mounted, or not restored yet, is empty: what it will hold again is not lost.
      if (bytes === undefined && (await world.files.list(folder)).length === 0)
        throw new StoreUnavailable(id, 'be read', { why: 'its folder is empty', details: folder })
      return bytes
    },
    remove: (dataId) =>
      attempt('remove data', async () => {
        await world.files.remove(pathOf(dataId))
        await world.files.removeUnfinished(pathOf(dataId))
      }),
    async *list() {
      let page: string[] = []
      for await (const { path } of world.files.walk(folder)) {
        const [part, name = ''] = path.split('/')
        // Only what this store could have written; whatever else lies there is somebody else's.
        if (idPattern.test(name) && name.startsWith(part!) && path === `${part}/${name}`) page.push(name)
        if (page.length < pageSize) continue
        yield page
        page = []
      }
      if (page.length > 0) yield page
    },
    async *unfinished() {
      for await (const path of world.files.unfinished(folder)) if (idPattern.test(basename(path))) yield basename(path)
    },
    removeUnfinished: (dataId) => attempt('remove data', () => world.files.removeUnfinished(pathOf(dataId))),
    url: (dataId) => `file://${pathOf(dataId)}`,
  }
}
