import { tmpdir } from 'node:os'
import { createRealWorld } from '@murmuration/world'
import { prepare } from './fleet/prepared.ts'
import { buildTemplate } from './fleet/template.ts'
import type { Ground } from './run-seed.ts'

/** Memory is the fastest disk, and databases of simulations are thrown away anyway. */
const memoryDisk = '/dev/shm'

/** What one thread needs for any number of seeds. Call `close` at the end. */
export async function openGround(): Promise<Ground & { close(): Promise<void> }> {
  const real = createRealWorld({ log: { level: 'error' } })
  const base = (await real.files.mode?.(memoryDisk)) === undefined ? tmpdir() : memoryDisk
  const folder = `${base}/murmuration-simulation-${real.random.uuid()}`
  // Makes the folder.
  await real.files.write(`${folder}/.keep`, '')
  const prepared = await prepare()
  const template = await buildTemplate(prepared, `${folder}/template.db`)
  return { real, folder, prepared, template, close: () => real.files.remove(folder) }
}
