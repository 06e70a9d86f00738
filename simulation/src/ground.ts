import { tmpdir } from 'node:os'
import { createRealWorld, type World } from '@murmuration/world'

/** What every thread stands on, whatever its scenario. */
export interface Ground {
  /** Throw-away folder on a fast disk. */
  readonly folder: string
  /** The machine that the simulation itself runs on. */
  readonly real: World
}

/** Memory is the fastest disk, and databases of simulations are thrown away anyway. */
const memoryDisk = '/dev/shm'

/** Call `close` at the end. */
export async function openGround(): Promise<Ground & { close(): Promise<void> }> {
  const real = createRealWorld({ log: { level: 'error' } })
  const base = (await real.files.mode?.(memoryDisk)) === undefined ? tmpdir() : memoryDisk
  const folder = `${base}/murmuration-simulation-${real.random.uuid()}`
  // Makes the folder.
  await real.files.write(`${folder}/.keep`, '')
  return { real, folder, close: () => real.files.remove(folder) }
}
