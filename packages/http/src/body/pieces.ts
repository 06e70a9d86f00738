import type { IncomingMessage } from 'node:http'
import type { World } from '@murmuration/world'
import { BodyRefused } from './collect.ts'

export interface BodyPiecesOptions {
  readonly world: World
  /** Nothing has come for so long: 408. A body may take as long as it likes while its bytes come. */
  readonly stallMs: number
  /** Ends the reading with its reason: the process goes down, the caller's claim is gone. */
  readonly signal?: AbortSignal
}

/**
 * The body of a `config.stream` route piece by piece: the next one is read from the socket when it is asked for, so memory does not grow
 * with the body. Whoever stops early leaves the connection open for the answer. Throws BodyRefused when the body was cut or stalled.
 */
export async function* bodyPieces(body: unknown, options: BodyPiecesOptions): AsyncGenerator<Uint8Array, void> {
  if (body === undefined || body === null) return
  const { world, stallMs, signal } = options
  const pieces = (body as IncomingMessage).iterator({ destroyOnReturn: false })
  let lastMs = world.clock.monotonicMs()
  let giveUp: ((error: Error) => void) | undefined
  const onAbort = (): void => giveUp?.(signal?.reason instanceof Error ? signal.reason : new Error('the reading was ended'))
  const watch = (delayMs: number): { cancel(): void } =>
    world.timers.after(delayMs, () => {
      const quietMs = world.clock.monotonicMs() - lastMs
      // Between two questions the reader is slow, not the sender.
      if (giveUp !== undefined && quietMs >= stallMs)
        giveUp(new BodyRefused(408, 'bodyStalled', `Nothing of the body arrived for ${Math.round(stallMs / 1000)} seconds.`))
      else timer = watch(Math.max(1, giveUp === undefined ? stallMs : stallMs - quietMs))
    })
  let timer = watch(stallMs)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    for (;;) {
      signal?.throwIfAborted()
      lastMs = world.clock.monotonicMs()
      // Not Promise.race: it would hang one more reaction on the same promise for every piece.
      const step = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        giveUp = reject
        pieces
          .next()
          .then(resolve, (cause: unknown) =>
            reject(new BodyRefused(400, 'bodyCut', 'The connection ended before the whole body had arrived.', { cause })),
          )
      })
      giveUp = undefined
      if (step.done === true) return
      yield step.value
    }
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}
