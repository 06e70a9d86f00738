import { randomBytes } from 'node:crypto'
import { appendFile, chmod, lstat, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileRange, FileWriter, Files, FoundFile } from '../world.ts'

const pieceBytes = 64 * 1024
/** One for all of a stream: fewer questions to the disk. */
const reusedBytes = 256 * 1024
/** Pieces that were read into and given back at once. */
const spare: Buffer[] = []
const spareMost = 32
/** A write that died half-way leaves such a name; it is never listed. */
const partialName = /^\..*\.partial-[0-9a-f]{16}$/

export const realFiles: Files = {
  async read(path) {
    return orUndefined(readFile(path).then((data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))
  },

  async *stream(path, range: FileRange = { start: 0, end: Number.MAX_SAFE_INTEGER }) {
    if (range.reuse === true) return yield* reusing(path, range)
    const file = await open(path, 'r')
    try {
      for (let position = range.start; position <= range.end;) {
        // Not one for all: whoever got a piece may hold it while the next one is read.
        const wanted = Math.min(pieceBytes, range.end - position + 1)
        const piece = spare.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
        const { bytesRead } = await file.read(piece, 0, wanted, position)
        position += bytesRead
        // The piece of a small file is a small one: thousands of large ones would be garbage before they are full.
        const small = bytesRead <= pieceBytes / 4
        const own = small ? Buffer.from(piece.subarray(0, bytesRead)) : piece.subarray(0, bytesRead)
        if (small && spare.length < spareMost) spare.push(piece)
        if (bytesRead > 0) yield own
        // A regular file reads short at its end only.
        if (bytesRead < wanted) return
      }
    } finally {
      await file.close()
    }
  },

  async write(path, data, options) {
    const folder = dirname(path)
    await privateFolder(folder)
    const aside = join(folder, `.${basename(path)}.partial-${randomBytes(8).toString('hex')}`)
    try {
      await writeDurably(aside, data, options?.mode ?? 0o600)
      await rename(aside, path)
    } catch (error) {
      await rm(aside, { force: true })
      throw error
    }
    await syncFolder(folder)
  },

  async create(path, options) {
    const folder = dirname(path)
    await privateFolder(folder)
    const aside = join(folder, `.${basename(path)}.partial-${randomBytes(8).toString('hex')}`)
    return await writerOf(path, aside, options?.mode ?? 0o600)
  },

  walk: (folder) => walkBelow(folder, ''),

  unfinished: (folder) => unfinishedBelow(folder),

  async removeUnfinished(path) {
    const folder = dirname(path)
    for (const name of (await orUndefined(readdir(folder))) ?? [])
      if (targetOf(name) === basename(path)) await rm(join(folder, name), { force: true })
  },

  async append(path, data) {
    await privateFolder(dirname(path))
    await appendFile(path, data, { mode: 0o600 })
  },

  async remove(path) {
    await rm(path, { recursive: true, force: true })
  },

  async rename(from, to) {
    await privateFolder(dirname(to))
    await rename(from, to)
    await syncFolder(dirname(to))
    if (dirname(from) !== dirname(to)) await syncFolder(dirname(from))
  },

  async list(folder) {
    const names = (await orUndefined(readdir(folder))) ?? []
    return names.filter((name) => !partialName.test(name)).sort()
  },

  async size(path) {
    const status = await orUndefined(lstat(path))
    return status?.isFile() ? status.size : undefined
  },

  async mode(path) {
    const status = await orUndefined(stat(path))
    return status === undefined ? undefined : status.mode & 0o777
  },
}

async function* reusing(path: string, { start, end }: FileRange): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(reusedBytes, end - start + 1))
    for (let position = start; position <= end;) {
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, end - position + 1), position)
      if (bytesRead === 0) return
      position += bytesRead
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function writeDurably(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
  // The umask may have taken bits away that the caller asked for.
  await chmod(path, mode)
}

async function writerOf(path: string, aside: string, mode: number): Promise<FileWriter> {
  const file = await open(aside, 'wx', mode)
  let ended = false
  const end = async (): Promise<boolean> => {
    if (ended) return false
    ended = true
    await file.close()
    return true
  }
  const discard = async (): Promise<void> => {
    if (await end()) await rm(aside, { force: true })
  }
  return {
    async write(piece) {
      for (let written = 0; written < piece.length;) written += (await file.write(piece, written)).bytesWritten
    },
    async commit() {
      try {
        await file.chmod(mode)
        await file.sync()
        await end()
        await rename(aside, path)
      } catch (error) {
        await end()
        await rm(aside, { force: true })
        throw error
      }
      await syncFolder(dirname(path))
    },
    discard,
  }
}

async function* walkBelow(folder: string, prefix: string): AsyncGenerator<FoundFile> {
  const entries = (await orUndefined(readdir(folder, { withFileTypes: true }))) ?? []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* walkBelow(path, `${prefix}${entry.name}/`)
    if (!entry.isFile() || partialName.test(entry.name)) continue
    // Gone since the folder was read: as if it had been gone before.
    const status = await orUndefined(lstat(path))
    if (status?.isFile()) yield { path: prefix + entry.name, sizeBytes: status.size, mode: status.mode & 0o777 }
  }
}

/** What a half written file was to be called; undefined for all others. */
const targetOf = (name: string): string | undefined => (partialName.test(name) ? name.slice(1, name.lastIndexOf('.partial-')) : undefined)

async function* unfinishedBelow(folder: string): AsyncGenerator<string> {
  for (const entry of (await orUndefined(readdir(folder, { withFileTypes: true }))) ?? []) {
    if (entry.isDirectory()) yield* unfinishedBelow(join(folder, entry.name))
    const target = entry.isFile() ? targetOf(entry.name) : undefined
    if (target !== undefined) yield join(folder, target)
  }
}

async function privateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
}

/** Without it a rename may be lost with the power although the file's bytes are safe. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
