import type { World } from '@murmuration/world'

/** One check, or several by name: `{ database: () => db.ping(), bus: () => bus.ping() }`. The names are what /healthz answers. */
export type Ready = (() => Promise<unknown>) | Readonly<Record<string, () => Promise<unknown>>>

export interface Health {
  /** Names of what is not ready; empty when all is well. */
  check(): Promise<string[]>
}

const deadlineMs = 2000
/** Anybody may ask, so the checks run at most this often however many do. */
const freshMs = 500

export function createHealth(world: World, service: string, ready: Ready | undefined): Health {
  const checks = ready === undefined ? [] : typeof ready === 'function' ? ([[service, ready]] as const) : Object.entries(ready)
  let latest: { readonly answer: Promise<string[]>; endedMs: number | undefined } | undefined

  const probe = async (name: string, check: () => Promise<unknown>): Promise<string | undefined> => {
    let late = false
    let timer: { cancel(): void } | undefined
    const timeout = new Promise<never>((_, reject) => {
      timer = world.timers.after(deadlineMs, () => {
        late = true
        reject(new Error(`no answer within ${deadlineMs} ms`))
      })
    })
    try {
      await Promise.race([check(), timeout])
      return undefined
    } catch (error) {
      world.log.warn('not ready', { service, what: name, late, error: String(error) })
      return nameOf(name, error)
    } finally {
      timer?.cancel()
    }
  }

  return {
    check() {
      const nowMs = world.clock.monotonicMs()
      if (latest !== undefined && (latest.endedMs === undefined || nowMs - latest.endedMs < freshMs)) return latest.answer
      const answer = Promise.all(checks.map(([name, check]) => probe(name, check))).then((names) =>
        names.filter((name) => name !== undefined),
      )
      const run = { answer, endedMs: undefined as number | undefined }
      latest = run
      void answer.finally(() => {
        run.endedMs = world.clock.monotonicMs()
      })
      return answer
    },
  }

  /** A lone check has no name of its own: the kind of its error says which part it is. */
  function nameOf(name: string, error: unknown): string {
    if (name !== service || !(error instanceof Error)) return name
    if (error.name === 'DatabaseError') return 'database'
    if (error.name === 'NetworkError') return 'network'
    return error.name === 'IdentityUnavailable' ? 'identity' : name
  }
}
