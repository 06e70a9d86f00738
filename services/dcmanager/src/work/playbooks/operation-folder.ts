import type { Files } from '@murmuration/world'

/**
 * The private folder of one run: inventory, variables, Ansible's own temporary files. Named by job and epoch, so that the
 * leftovers of a run that died are told from the run that took its place.
 */
export const operationFolderOf = (varFolder: string, jobId: string, epoch: number): string =>
  `${operationsFolder(varFolder)}/${jobId}.${epoch}`

const operationsFolder = (varFolder: string): string => `${varFolder}/run/operations`
const folderName = /^([0-9a-zA-Z-]{1,64})\.(\d{1,15})$/

export interface RunningJob {
  readonly id: string
  readonly lease_epoch: number
}

/**
 * Removes the folders of runs that are over: those files may hold what should not lie around. `runningOf` is asked after the
 * folders were listed, so a run that starts meanwhile is never touched. Returns the names removed.
 */
export async function sweepOperationFolders(
  files: Files,
  varFolder: string,
  runningOf: (jobIds: readonly string[]) => Promise<readonly RunningJob[]>,
): Promise<string[]> {
  const names = await files.list(operationsFolder(varFolder))
  const found = names.flatMap((name) => {
    const [, id, epoch] = folderName.exec(name) ?? []
    return id === undefined ? [] : [{ name, id, epoch: Number(epoch) }]
  })
  if (found.length === 0) return []
  const running = new Map((await runningOf([...new Set(found.map(({ id }) => id))])).map((job) => [job.id, job.lease_epoch]))
  const over = found.filter(({ id, epoch }) => (running.get(id) ?? Number.POSITIVE_INFINITY) > epoch)
  for (const { name } of over) await files.remove(`${operationsFolder(varFolder)}/${name}`)
  return over.map(({ name }) => name)
}
