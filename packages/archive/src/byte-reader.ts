import { createHash } from 'node:crypto'
import type { World } from '@murmuration/world'
import { ArchiveRefused } from './errors.ts'

/** A file from its beginning, in the lengths that the reader asks for. */
export interface ByteReader {
  /** Fewer bytes only at the end of the file. */
  take(count: number): Promise<Uint8Array>
  atEnd(): Promise<boolean>
  /** Of all bytes taken. */
  digest(): string
  readonly position: number
  close(): Promise<void>
}

export function createByteReader(world: World, path: string): ByteReader {
  const pieces = world.files.stream(path)[Symbol.asyncIterator]()
  const hash = createHash('sha256')
  let held: Buffer = Buffer.alloc(0)
  let position = 0
  const more = async (): Promise<boolean> => {
    try {
      const next = await pieces.next()
      if (next.done === true) return false
      held = held.length === 0 ? Buffer.from(next.value) : Buffer.concat([held, next.value])
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') throw new ArchiveRefused('missing', `There is no archive ${path}.`, { cause: error })
      if (code === 'EISDIR' || code === 'EACCES')
        throw new ArchiveRefused('missing', `The archive ${path} can not be read (${code}).`, { cause: error })
      throw error
    }
  }
  return {
    async take(count) {
      while (held.length < count && (await more()));
      const taken = held.subarray(0, count)
      held = held.subarray(count)
      position += taken.length
      hash.update(taken)
      return taken
    },
    atEnd: async () => held.length === 0 && !(await more()),
    digest: () => hash.digest('hex'),
    get position() {
      return position
    },
    async close() {
      await pieces.return?.()
    },
  }
}
