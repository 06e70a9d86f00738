import type { World } from '@murmuration/world'

/** A playbook that prints without end must not fill the disk: two files of this size at most. */
export const longestLogBytes = 4 * 1024 * 1024

export interface OutputLog {
  line(text: string): void
  /** Resolves when everything is on disk. A full disk does not fail the playbook: it is said in our own log. */
  close(): Promise<void>
}

export const logPathOf = (varFolder: string, jobId: string): string => `${varFolder}/log/operations/${jobId}.log`

/** Appends to `<job>.log`; at the size limit it becomes `<job>.log.1` and the log starts anew. Lines are written in batches. */
export async function openOutputLog(world: World, path: string, limitBytes = longestLogBytes): Promise<OutputLog> {
  let sizeBytes = (await world.files.size(path)) ?? 0
  let waiting: string[] = []
  let writing: Promise<void> | undefined

  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.join('')
      waiting = []
      try {
        if (sizeBytes > 0 && sizeBytes + batch.length > limitBytes) {
          await world.files.rename(path, `${path}.1`)
          sizeBytes = 0
        }
        await world.files.append(path, batch)
        sizeBytes += batch.length
      } catch (error) {
        world.log.warn('the output of a playbook could not be kept', { path, error })
      }
    }
    writing = undefined
  }
  return {
    line(text) {
      waiting.push(`${new Date(world.clock.nowMs()).toISOString()} ${text}\n`)
      writing ??= drain()
    },
    async close() {
      while (writing !== undefined) await writing
    },
  }
}
