/** Lets one in at a time, in the order of asking. Made of promises only, so it is the same under simulated time. */
export interface Mutex {
  /** Resolves to the function that lets the next one in. */
  acquire(): Promise<() => void>
  /** Everybody who waits, and who comes later, is refused with this error. */
  close(error: Error): void
}

export function createMutex(): Mutex {
  const waiting: { enter: (release: () => void) => void; refuse: (error: Error) => void }[] = []
  let held = false
  let closed: Error | undefined
  const release = (): void => {
    const next = waiting.shift()
    if (next) next.enter(releaseOnce())
    else held = false
  }
  const releaseOnce = (): (() => void) => {
    let done = false
    return () => {
      if (done) return
      done = true
      release()
    }
  }
  return {
    acquire() {
      if (closed) return Promise.reject(closed)
      if (!held) {
        held = true
        return Promise.resolve(releaseOnce())
      }
      return new Promise((enter, refuse) => waiting.push({ enter, refuse }))
    },
    close(error) {
      closed = error
      for (const { refuse } of waiting.splice(0)) refuse(error)
    },
  }
}
