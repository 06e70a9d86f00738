import type { Readable } from 'node:stream'

/** A longer line is cut here: the program that writes it must not decide how much memory we use. */
export const longestLineBytes = 65_536

const newline = 0x0a
const carriageReturn = 0x0d

/** Calls `onLine` for each line without its end; the last one may lack it. Resolves when the stream has ended or was destroyed. */
export function eachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let pieces: Buffer[] = []
  let heldBytes = 0
  let cut = false

  const hold = (piece: Buffer): void => {
    const room = longestLineBytes - heldBytes
    if (piece.length > room) cut = true
    if (room > 0 && piece.length > 0) pieces.push(piece.subarray(0, room))
    heldBytes += Math.min(room, piece.length)
  }
  const flush = (): void => {
    let line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
    if (line.at(-1) === carriageReturn) line = line.subarray(0, -1)
    const text = line.toString('utf8')
    const wasCut = cut
    pieces = []
    heldBytes = 0
    cut = false
    onLine(wasCut ? `${text}… [cut at ${longestLineBytes} bytes]` : text)
  }

  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      try {
        let start = 0
        for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
          hold(chunk.subarray(start, end))
          flush()
          start = end + 1
        }
        hold(chunk.subarray(start))
      } catch (error) {
        stream.destroy(error as Error)
      }
    })
    stream.once('error', reject)
    stream.once('close', () => {
      try {
        if (heldBytes > 0) flush()
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  })
}
