import { sendEvents, Unauthenticated, type App } from '@murmuration/http'
import type { Site } from '@murmuration/site'
import { Type } from 'typebox'
import type { ChangeFeed } from '../work/change-feed.ts'

/** A token that is revoked or expires ends its streams within this time, as it ends everything else. */
const recheckTokenMs = 4_000

const Query = Type.Object({
  after: Type.Optional(
    Type.String({ maxLength: 64, description: 'The id of the last event that was seen; the header Last-Event-ID goes before it.' }),
  ),
})

/**
 * The stream of subcloud changes as server-sent events. Every event has an id; a client that comes back with the last one it saw
 * misses nothing, or is told (410) that it was away for too long and must list again. An addition to the reference.
 */
export function addChangeRoutes(app: App, room: { readonly site: Site; readonly feed: ChangeFeed }): void {
  const { site, feed } = room
  app.get(
    '/v1.0/changes/subclouds',
    {
      config: { policy: 'dc_api:subclouds:get' },
      schema: { summary: 'Changes of subclouds as server-sent events', tags: ['subclouds'], querystring: Query },
    },
    async (request, reply) => {
      const permission = watchPermission(site, request.headers['x-auth-token'], request.identity.expiresAtMs)
      try {
        await sendEvents(reply, (lastEventId, signal) =>
          feed.open(lastEventId ?? request.query.after, AbortSignal.any([signal, permission.signal])),
        )
      } finally {
        permission.stop()
      }
    },
  )
}

/** Aborts when the token does not hold any more. */
function watchPermission(site: Site, token: unknown, expiresAtMs: number): { readonly signal: AbortSignal; stop(): void } {
  const ended = new AbortController()
  const stopped = new AbortController()
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await site.world.timers.sleep(recheckTokenMs, stopped.signal)
      if (site.world.clock.nowMs() >= expiresAtMs || !(await stillHolds(site, token))) return ended.abort()
    }
  }
  watch().catch(() => ended.abort())
  return { signal: ended.signal, stop: () => stopped.abort() }
}

async function stillHolds(site: Site, token: unknown): Promise<boolean> {
  if (typeof token !== 'string') return true
  try {
    await site.tokens.validate(token)
    return true
  } catch (error) {
    // Whether identity can be asked says nothing about the token, which did hold a moment ago.
    return !(error instanceof Unauthenticated)
  }
}
