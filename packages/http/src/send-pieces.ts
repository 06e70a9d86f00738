import type { FastifyReply } from 'fastify'
import { streamOf } from './app/state.ts'

/**
 * Answers with bytes of any size, under the status and headers that the reply has. Each piece has left this process before the next one is
 * asked for, so its maker may use its memory again. What fails before the first piece is an ordinary error answer; later the connection
 * breaks, or what came would be taken for the whole.
 */
export async function sendPieces(reply: FastifyReply, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const { world } = streamOf(reply.request)
  const iterator = pieces[Symbol.asyncIterator]()
  let next = await iterator.next()

  reply.hijack()
  const { raw } = reply
  let closed = raw.destroyed
  let wake: (() => void) | undefined
  raw.once('close', () => {
    closed = true
    wake?.()
  })
  raw.on('error', () => {})
  try {
    raw.writeHead(reply.statusCode, reply.getHeaders() as Record<string, string>)
    while (next.done !== true && !closed) {
      const piece = next.value
      await new Promise<void>((done) => {
        wake = done
        raw.write(piece, () => done())
      })
      if (!closed) next = await iterator.next()
    }
    if (!closed) raw.end()
  } catch (error) {
    world.log.error('an answer broke off', { requestId: reply.request.id, error: String(error) })
    raw.destroy()
  } finally {
    await iterator.return?.()
  }
}
