import type { World } from '@murmuration/world'

/** A playbook that prints without end must not fill the disk: two files of this size at most. */
export const longestLogBytes = 4 * 1024 * 1024

export interface OutputLog {
  line(text: string): void
  /** Resolves when everything is on disk. A full disk does not fail the playbook: it is said in our own log. */
  close(): Promise<void>
}

const logsFolder = (varFolder: string): string => `${varFolder}/log/operations`
export const logPathOf = (varFolder: string, jobId: string): string => `${logsFolder(varFolder)}/${jobId}.log`

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
      // Lines that came while the last batch was written are in the next one, which the same drain takes along.
      await writing
    },
  }
}

/** Logs that one subcloud keeps; older ones go. */
export const logsKept = 20
const logName = /^([0-9a-zA-Z-]{1,64})\.log(\.1)?$/
const idsAtOnce = 500

/** Removes the logs of jobs that are forgotten, and all but the newest of each subcloud. */
export async function sweepOutputLogs(
  files: World['files'],
  varFolder: string,
  jobsOf: (ids: readonly string[]) => Promise<readonly { readonly id: string; readonly subject: string; readonly created_at: string }[]>,
): Promise<void> {
  const ids = [...new Set((await files.list(logsFolder(varFolder))).flatMap((name) => logName.exec(name)?.[1] ?? []))]
  const known = []
  for (let at = 0; at < ids.length; at += idsAtOnce) known.push(...(await jobsOf(ids.slice(at, at + idsAtOnce))))
  const kept = new Set<string>()
  for (const jobs of Map.groupBy(known, (job) => job.subject).values())
    for (const job of jobs.toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1)).slice(0, logsKept)) kept.add(job.id)
  for (const id of ids.filter((id) => !kept.has(id))) {
    await files.remove(logPathOf(varFolder, id))
    await files.remove(`${logPathOf(varFolder, id)}.1`)
  }
}
