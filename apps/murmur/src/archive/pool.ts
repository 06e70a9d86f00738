/** Runs some works at once; asking waits while there are too many, and fails when one of them has failed. */
export function createPool(most: number): { run(work: () => Promise<void>): Promise<void>; drain(): Promise<void> } {
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  const throwFailure = (): void => {
    if (failure !== undefined) throw failure.error
  }
  return {
    async run(work) {
      while (running.size >= most) await Promise.race(running)
      throwFailure()
      const own: Promise<void> = work()
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => void running.delete(own))
      running.add(own)
    },
    async drain() {
      await Promise.all(running)
      throwFailure()
    },
  }
}
