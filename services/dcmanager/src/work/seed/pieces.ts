import type { World } from '@murmuration/world'

/** A part of an image that is served: bytes of its own, or a part of a file as it lies on the disk. */
export type Piece = { readonly data: Uint8Array } | { readonly path: string; readonly start: number; readonly sizeBytes: number }

export const sizeOf = (piece: Piece): number => ('data' in piece ? piece.data.length : piece.sizeBytes)
export const totalSize = (pieces: readonly Piece[]): number => pieces.reduce((sum, piece) => sum + sizeOf(piece), 0)

/**
 * The bytes from `start` to `end` (both included) of an image that is put together while it is read: neither it nor what is secret in it
 * is ever written anywhere. Throws when a file became shorter meanwhile: what follows would be taken for it.
 */
export async function* readPieces(
  files: Pick<World['files'], 'stream'>,
  pieces: readonly Piece[],
  { start, end }: { readonly start: number; readonly end: number },
): AsyncGenerator<Uint8Array> {
  let offset = 0
  for (const piece of pieces) {
    const from = Math.max(start - offset, 0)
    const to = Math.min(end - offset, sizeOf(piece) - 1)
    offset += sizeOf(piece)
    if (from > to) continue
    if ('data' in piece) yield piece.data.subarray(from, to + 1)
    else yield* readFile(files, piece.path, piece.start + from, piece.start + to)
  }
}

async function* readFile(files: Pick<World['files'], 'stream'>, path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  let missing = end - start + 1
  for await (const bytes of files.stream(path, { start, end })) {
    missing -= bytes.length
    yield bytes
  }
  if (missing > 0) throw new Error('the image became shorter while it was sent')
}
