import { createFormatTeller } from '@murmuration/image/format'
import { CommandFailed, exitCodes } from '../../exit.ts'
import type { Context } from '../context.ts'

/** Bytes that are sent: from a file, or from what is piped into the command. */
export interface Source {
  /** Unknown of a pipe. */
  readonly size: number | undefined
  /** What they are, as far as their beginning tells. */
  readonly format: string
  readonly pieces: AsyncIterable<Uint8Array>
}

/** `-` is the standard input. Nothing is held but the first pieces. */
export async function openSource(context: Context, file: string): Promise<Source> {
  const { files } = context.world
  if (file === '-') {
    if (process.stdin.isTTY) throw new CommandFailed(exitCodes.usage, '--file -: nothing is piped into the command.')
    return looked(undefined, process.stdin)
  }
  const size = await files.size(file)
  if (size === undefined) throw new CommandFailed(exitCodes.usage, `${file}: there is no such file.`)
  return looked(size, files.stream(file))
}

/** Reads as much as formats are told by, and gives it back in front of the rest. */
async function looked(size: number | undefined, bytes: AsyncIterable<Uint8Array>): Promise<Source> {
  const iterator = bytes[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  const format = createFormatTeller()
  for (;;) {
    const next = await iterator.next()
    if (next.done === true) break
    head.push(next.value)
    if (format.push(next.value)) break
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* head.splice(0)
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  }
  return { size, format: format.name(), pieces: pieces() }
}
