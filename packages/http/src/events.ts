import type { FastifyReply } from 'fastify'
import type { ServerResponse } from 'node:http'
import type { Timer, World } from '@murmuration/world'
import { streamOf } from './app/state.ts'
import { ApiError } from './errors.ts'

/** One event of a change stream. `id` is what the client sends back as Last-Event-ID to go on behind it. */
export interface ServerEvent {
  readonly id?: string
  readonly event?: string
  /** Sent as JSON. */
  readonly data: unknown
}

/**
 * Opens the stream behind `lastEventId`; rejects with ApiError 400 on a cursor that it never gave. The iteration ends, or is
 * ended through `signal`, when the client is gone.
 */
export type EventSource = (
  lastEventId: string | undefined,
  signal: AbortSignal,
) => Promise<AsyncIterable<ServerEvent>> | AsyncIterable<ServerEvent>

export interface EventOptions {
  /** A comment line when nothing else was sent for so long. Default 15,000. */
  readonly heartbeatMs?: number
  /** What may wait for a client that does not read before it is cut; it resumes with Last-Event-ID (attacks 37). Default 256 KiB. */
  readonly maxBufferedBytes?: number
}

/**
 * Answers with server-sent events until the source ends, the client goes, or the app closes. A source that can't be opened is
 * an ordinary error answer. Rejects only before the first byte.
 */
export async function sendEvents(reply: FastifyReply, source: EventSource, options: EventOptions = {}): Promise<void> {
  const { world, closing } = streamOf(reply.request)
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, closing])
  const events = await source(lastEventIdOf(reply), signal)

  reply.hijack()
  const { raw } = reply
  raw.on('close', () => ended.abort())
  raw.on('error', () => ended.abort())
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  raw.flushHeaders()
  const heart = beat(world, raw, options.heartbeatMs ?? 15_000)
  try {
    await pump(events, raw, signal, options.maxBufferedBytes ?? 256 * 1024, heart.sent)
  } catch (error) {
    if (!signal.aborted) world.log.error('event stream failed', { requestId: reply.request.id, error: String(error) })
  } finally {
    heart.stop()
    ended.abort()
    // A client that does not read would hold the rest for ever: what it has not got is for its next connection.
    if (raw.writableLength > 0 && raw.writableNeedDrain) raw.destroy()
    else raw.end()
  }
}

async function pump(
  events: AsyncIterable<ServerEvent>,
  raw: ServerResponse,
  signal: AbortSignal,
  maxBufferedBytes: number,
  sent: () => void,
): Promise<void> {
  const iterator = events[Symbol.asyncIterator]()
  const stop = new Promise<{ done: true; value: undefined }>((resolve) => {
    const end = (): void => resolve({ done: true, value: undefined })
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  try {
    while (!signal.aborted) {
      const next = await Promise.race([iterator.next(), stop])
      if (next.done === true) return
      raw.write(textOf(next.value))
      sent()
      if (raw.writableLength > maxBufferedBytes) {
        raw.destroy()
        return
      }
    }
  } finally {
    // Not awaited: a source that is waiting for its next change answers only then.
    void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}

/** Comment lines keep proxies from cutting a quiet stream; a client that read nothing for three of them is gone. */
function beat(world: World, raw: ServerResponse, everyMs: number): { sent(this: void): void; stop(this: void): void } {
  let timer: Timer | undefined
  let unread = 0
  const again = (): void => {
    timer?.cancel()
    timer = world.timers.after(everyMs, () => {
      unread = raw.writableNeedDrain ? unread + 1 : 0
      if (unread >= 3) {
        raw.destroy()
        return
      }
      raw.write(': still here\n\n')
      again()
    })
  }
  again()
  return { sent: again, stop: () => timer?.cancel() }
}

/** Line breaks would start another field: names and ids may not hold any, and JSON text holds none. */
function textOf({ id, event, data }: ServerEvent): string {
  const line = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `${name}: ${value.replace(/[\r\n\0]/g, ' ')}\n`
  return `${line('id', id)}${line('event', event)}data: ${JSON.stringify(data)}\n\n`
}

function lastEventIdOf(reply: FastifyReply): string | undefined {
  const id = reply.request.headers['last-event-id']
  if (id === undefined || id === '') return undefined
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(id)) {
    throw new ApiError(400, 'invalidCursor', 'Last-Event-ID is not one that this stream gave.', { field: 'Last-Event-ID' })
  }
  return id
}
