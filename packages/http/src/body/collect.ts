import type { Readable } from 'node:stream'
import type { World } from '@murmuration/world'
import { ApiError } from '../errors.ts'

/** The rest of the request stays unread after these, so the connection can't be used again. */
export class BodyRefused extends ApiError {}

/**
 * Reads a request's body into one buffer. At most `limitBytes` are ever held; a declared length over it is refused before
 * the first byte is read. A body that is not complete after `deadlineMs` ends in 408.
 */
export function collect(
  world: World,
  stream: Readable,
  declaredLength: string | undefined,
  limitBytes: number,
  deadlineMs: number,
): Promise<Buffer> {
  const declared = declaredLength === undefined ? undefined : Number(declaredLength)
  if (declared !== undefined && declared > limitBytes) return Promise.reject(tooLarge(limitBytes))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const finish = (error: ApiError | undefined): void => {
      timer.cancel()
      stream.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      if (error === undefined) resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length))
      else {
        stream.pause()
        // Whatever the socket still reports has no listener any more.
        stream.on('error', () => undefined)
        reject(error)
      }
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limitBytes) finish(tooLarge(limitBytes))
      else chunks.push(chunk)
    }
    const onEnd = (): void => {
      if (declared !== undefined && declared !== length) {
        finish(new BodyRefused(400, 'bodyLength', `The body has ${length} bytes, Content-Length says ${declared}.`))
      } else finish(undefined)
    }
    const onCut = (): void => finish(new BodyRefused(400, 'bodyCut', 'The connection ended before the whole body had arrived.'))
    const timer = world.timers.after(deadlineMs, () =>
      finish(new BodyRefused(408, 'bodyTimeout', `The body did not arrive within ${Math.round(deadlineMs / 1000)} seconds.`)),
    )
    stream.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

const tooLarge = (limitBytes: number): BodyRefused =>
  new BodyRefused(413, 'bodyTooLarge', `The body is larger than ${limitBytes} bytes, which is the limit here.`)
