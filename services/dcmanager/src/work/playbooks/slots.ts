/** Places for playbooks: each is a Python program, and a machine has only so much memory. Who finds none waits for its turn. */
export interface PlaybookSlots {
  /**
   * Resolves with what gives the place back, to be called once. Rejects with the signal's reason when it fires first. `waits` is told
   * when there is none at once.
   */
  take(options: { readonly prompt: boolean; readonly signal: AbortSignal; readonly waits?: () => void }): Promise<() => void>
}

interface Waiter {
  readonly prompt: boolean
  readonly enter: () => void
}

/**
 * At most `most` at once; the last `reserved` of them only for prompt ones, which somebody waits for, and which go before the others.
 * Otherwise first come, first served.
 */
export function createPlaybookSlots(limits: { readonly most: number; readonly reserved: number }): PlaybookSlots {
  const waiters = new Set<Waiter>()
  let taken = 0
  const fits = (prompt: boolean): boolean => taken < limits.most - (prompt ? 0 : limits.reserved)

  const next = (): void => {
    for (const prompt of [true, false])
      for (const waiter of waiters)
        if (waiter.prompt === prompt && fits(prompt)) {
          waiters.delete(waiter)
          taken += 1
          waiter.enter()
        }
  }
  const leave = (): (() => void) => {
    let left = false
    return () => {
      if (left) return
      left = true
      taken -= 1
      next()
    }
  }

  return {
    async take({ prompt, signal, waits }) {
      signal.throwIfAborted()
      if (fits(prompt)) {
        taken += 1
        return leave()
      }
      waits?.()
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          prompt,
          enter() {
            signal.removeEventListener('abort', giveUp)
            resolve()
          },
        }
        const giveUp = (): void => {
          waiters.delete(waiter)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', giveUp, { once: true })
        waiters.add(waiter)
      })
      return leave()
    },
  }
}
