import { isIP } from 'node:net'
import type { Client, Dispatcher } from 'undici'
import { NetworkError, type StreamRequest, type StreamResponse } from '../world.ts'
import { joined } from './exchange.ts'
import { asNetworkError } from './network-errors.ts'
import type { Pools } from './pools.ts'

/** Larger pieces are handed on as parts. */
export const pieceBytes = 65_536

/** One exchange whose bytes are sent and read piece by piece, over a pooled connection or one to a pinned address. */
export async function streamAnswer(pools: Pools, url: URL, request: StreamRequest): Promise<StreamResponse> {
  const what = `${request.method} ${url.origin}`
  const { address, signal, stallMs, deadlineMs } = request
  if (address !== undefined && isIP(address) === 0) throw new NetworkError('protocol', `${what}: ${address} is not an IP address`)
  const ending = new AbortController()
  const end = (error: NetworkError): void => ending.abort(error)
  const onAbort = (): void => end(new NetworkError('aborted', `${what}: the caller gave up waiting`, { cause: signal?.reason as unknown }))
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  let deadline: NodeJS.Timeout | undefined
  const awaitAnswer = (): void => {
    deadline = setTimeout(() => end(new NetworkError('timeout', `${what}: no answer within ${deadlineMs} ms`)), deadlineMs)
  }
  let stall: NodeJS.Timeout | undefined
  const watch = (why: string): void => {
    clearTimeout(stall)
    stall = setTimeout(() => end(new NetworkError('timeout', `${what}: ${why} within ${stallMs} ms`)), stallMs)
  }

  let answered = false
  let thrown: { readonly error: unknown } | undefined
  async function* sent(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of pieces) {
        watch('no more bytes were taken')
        yield piece
        // While a piece is made, nobody waits for the receiver.
        clearTimeout(stall)
      }
    } catch (error) {
      thrown = { error }
      throw error
    } finally {
      clearTimeout(stall)
    }
    if (!answered) awaitAnswer()
  }
  const streams = typeof request.body === 'object' && !(request.body instanceof Uint8Array)
  if (!streams) awaitAnswer()

  let pinned: Client | undefined
  const over = (): void => {
    clearTimeout(deadline)
    clearTimeout(stall)
    signal?.removeEventListener('abort', onAbort)
    void pinned?.destroy().catch(() => {})
  }
  const failure = (error: unknown): NetworkError =>
    ending.signal.aborted ? (ending.signal.reason as NetworkError) : asNetworkError(what, error)

  let answer: Dispatcher.ResponseData
  try {
    if (address !== undefined) pinned = pools.pinned(url.origin, address, request.tls)
    answer = await (pinned ?? pools.for(url.origin, request.tls).dispatcher).request({
      path: `${url.pathname}${url.search}`,
      method: request.method,
      headers: { ...request.headers },
      body: (streams ? sent(request.body) : (request.body ?? null)) as Buffer | string | null,
      idempotent: false,
      signal: ending.signal,
    })
    answered = true
    clearTimeout(deadline)
  } catch (error) {
    over()
    throw thrown === undefined ? failure(error) : thrown.error
  }
  const { body } = answer
  // Whoever discards it before its end is told of nothing.
  body.on('error', () => {})

  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      watch('no more bytes came')
      for await (const chunk of body as AsyncIterable<Buffer>) {
        // While the reader is busy with a piece, nobody waits for the sender.
        clearTimeout(stall)
        for (let at = 0; at < chunk.length; at += pieceBytes) yield chunk.subarray(at, at + pieceBytes)
        watch('no more bytes came')
      }
    } catch (error) {
      throw failure(error)
    } finally {
      body.destroy()
      over()
    }
  }
  return {
    status: answer.statusCode,
    headers: joined(answer.headers),
    body: pieces(),
    discard() {
      body.destroy()
      over()
    },
  }
}
