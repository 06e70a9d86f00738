/** Runs `work` for each, so many at a time; the first throw ends it, after those under way. */
export async function atOnce<T>(most: number, list: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = list[Symbol.iterator]()
  let failed = false
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (failed) return
      try {
        await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: Math.min(most, list.length) }, worker))
  const first = ends.find((end) => end.status === 'rejected')
  if (first !== undefined) throw first.reason
}
