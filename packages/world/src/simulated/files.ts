import { dirname, normalize } from 'node:path'
import type { FileWriter, Files, FoundFile } from '../world.ts'
import type { ProcessCore } from './process.ts'
import type { SeededRandom } from './random.ts'

export type DiskOperation = 'read' | 'write' | 'append' | 'remove' | 'rename' | 'list' | 'size' | 'mode'

/** Gives the code of an error (`ENOSPC`, `EIO`) for operations that are to fail. */
export type DiskFault = (operation: DiskOperation, path: string) => string | undefined

interface StoredFile {
  readonly data: Uint8Array
  readonly mode: number
}

/** What a dying process had begun is gone with it here. */
async function* nothing(): AsyncGenerator<never> {}

const longestOperationMs = 2
const pieceBytes = 64 * 1024

/** The disk of one host. It outlives every process; what a dying process was writing is whole, absent, or (appends) torn. */
export class Disk {
  readonly #files = new Map<string, StoredFile>()
  readonly #random: SeededRandom
  fault: DiskFault | undefined

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** For parts of the simulated machine itself (certificates of servers): no delay, no faults. */
  peek(path: string): Uint8Array | undefined {
    return this.#files.get(normalize(path))?.data
  }

  of(core: ProcessCore): Files {
    return {
      read: (path) => this.#do(core, 'read', path, () => this.peek(path)?.slice()),
      stream: (path, range) => this.#stream(core, path, range),
      write: (path, data, options) => {
        const file: StoredFile = { data: toBytes(data), mode: options?.mode ?? 0o600 }
        return this.#do(core, 'write', path, () => void this.#files.set(normalize(path), file), 'whole or not')
      },
      create: async (path, options) => this.#writer(core, path, options?.mode ?? 0o600),
      walk: (folder) => this.#walk(core, folder),
      unfinished: () => nothing(),
      removeUnfinished: () => Promise.resolve(),
      append: (path, data) => {
        const added = toBytes(data)
        return this.#do(core, 'append', path, (part) => this.#append(path, added, part), 'torn')
      },
      remove: (path) => this.#do(core, 'remove', path, () => this.#remove(path), 'whole or not'),
      rename: (from, to) => this.#do(core, 'rename', from, () => this.#rename(from, to), 'whole or not'),
      list: (folder) => this.#do(core, 'list', folder, () => this.#list(folder)),
      size: (path) => this.#do(core, 'size', path, () => this.peek(path)?.length),
      mode: (path) => this.#do(core, 'mode', path, () => this.#files.get(normalize(path))?.mode),
    }
  }

  #do<T>(
    core: ProcessCore,
    operation: DiskOperation,
    path: string,
    act: (part: number) => T,
    onCrash?: 'whole or not' | 'torn',
  ): Promise<T> {
    const delayMs = this.#random.between(0, longestOperationMs)
    const survives = this.#random.float()
    return core.outside((resolve, reject) => {
      const forget =
        onCrash === undefined
          ? undefined
          : core.onCrash(() => {
              if (survives < 0.5) return
              try {
                act(onCrash === 'torn' ? (survives - 0.5) * 2 : 1)
              } catch {
                // What could not be done is not done.
              }
            })
      core.after(delayMs, `disk ${operation}`, () => {
        forget?.()
        const code = this.fault?.(operation, path)
        if (code !== undefined) {
          core.note(`disk ${operation} ${path} fails: ${code}`)
          return reject(diskError(code, operation, path))
        }
        try {
          resolve(act(1))
        } catch (error) {
          reject(error as Error)
        }
      })
    })
  }

  async *#stream(core: ProcessCore, path: string, range = { start: 0, end: Number.MAX_SAFE_INTEGER }): AsyncGenerator<Uint8Array> {
    for (let position = range.start; position <= range.end;) {
      const from = position
      const piece = await this.#do(core, 'read', path, () => {
        const data = this.peek(path)
        if (data === undefined) throw diskError('ENOENT', 'read', path)
        return data.slice(from, Math.min(range.end + 1, from + pieceBytes))
      })
      if (piece.length === 0) return
      position += piece.length
      yield piece
    }
  }

  /** What a dying process had written beside the file is not seen by anybody. */
  #writer(core: ProcessCore, path: string, mode: number): FileWriter {
    const pieces: Uint8Array[] = []
    return {
      write: (piece) => {
        const copy = piece.slice()
        return this.#do(core, 'write', path, () => void pieces.push(copy))
      },
      commit: () => {
        const file: StoredFile = { data: new Uint8Array(Buffer.concat(pieces)), mode }
        return this.#do(core, 'write', path, () => void this.#files.set(normalize(path), file), 'whole or not')
      },
      discard: async () => void pieces.splice(0),
    }
  }

  async *#walk(core: ProcessCore, folder: string): AsyncGenerator<FoundFile> {
    const prefix = normalize(`${folder}/`)
    const found = await this.#do(core, 'list', folder, () =>
      [...this.#files].flatMap(([name, file]) =>
        name.startsWith(prefix) ? [{ path: name.slice(prefix.length), sizeBytes: file.data.length, mode: file.mode }] : [],
      ),
    )
    const parts = (file: FoundFile): string => file.path.replaceAll('/', '\0')
    yield* found.sort((a, b) => (parts(a) < parts(b) ? -1 : 1))
  }

  #append(path: string, added: Uint8Array, part: number): void {
    const before = this.#files.get(normalize(path)) ?? { data: new Uint8Array(), mode: 0o600 }
    const data = Buffer.concat([before.data, added.subarray(0, Math.ceil(added.length * part))])
    this.#files.set(normalize(path), { data: new Uint8Array(data), mode: before.mode })
  }

  #remove(path: string): void {
    const gone = normalize(path)
    for (const name of this.#files.keys()) if (name === gone || name.startsWith(`${gone}/`)) this.#files.delete(name)
  }

  #rename(from: string, to: string): void {
    const [source, target] = [normalize(from), normalize(to)]
    const moved = [...this.#files].filter(([name]) => name === source || name.startsWith(`${source}/`))
    if (moved.length === 0) throw diskError('ENOENT', 'rename', from)
    for (const [name, file] of moved) {
      this.#files.delete(name)
      this.#files.set(target + name.slice(source.length), file)
    }
  }

  #list(folder: string): string[] {
    const prefix = normalize(`${folder}/`)
    const inside = [...this.#files.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split('/')[0]!)
    return [...new Set(inside)].sort()
  }
}

const toBytes = (data: string | Uint8Array): Uint8Array => (typeof data === 'string' ? new TextEncoder().encode(data) : data.slice())

function diskError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}' in ${dirname(path)}`), { code })
}
