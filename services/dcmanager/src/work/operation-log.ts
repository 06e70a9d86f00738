import type { Site } from '@murmuration/site'
import { logPathOf, longestLogBytes } from './playbooks/output-log.ts'

const jobId = /^[0-9a-zA-Z-]{1,64}$/
/** A line of output may be anything; more of one line than this nobody reads. */
const lineMost = 4_096

/**
 * The last lines of what an operation printed; empty when nothing was kept. The log is bounded by its rotation, so reading it
 * whole is too; one that outgrew its bounds all the same is not read.
 */
export async function readLogTail(site: Site, id: string, lines: number): Promise<string[]> {
  if (!jobId.test(id)) return []
  const path = logPathOf(site.config.varFolder, id)
  const size = await site.world.files.size(path)
  if (size === undefined || size > longestLogBytes * 2) return []
  const data = await site.world.files.read(path)
  if (data === undefined) return []
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    .subarray(-lines * lineMost)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .slice(-lines)
    .map((line) => line.slice(0, lineMost))
}
