import { alone } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { pidFileOf, runningProcess, writeOwnPidFile } from '../serve/pid-file.ts'

const pidFileIn = (folder: string): string => pidFileOf(folder, 'moving')

/** Throws while a process moves the lab of this folder; one that died moves nothing any more. */
async function refuseMoving(world: World, folder: string, exceptPid?: number): Promise<void> {
  const mover = await runningProcess(world, pidFileIn(folder))
  if (mover !== undefined && mover.pid !== exceptPid)
    throw new CommandFailed(
      exitCodes.conflict,
      `The lab below ${folder} is being moved by another command (pid ${mover.pid}).`,
      'Wait for its end, then run this one again.',
    )
}

/** A site that somebody else started meanwhile would go on at the old place while it is copied. */
export const refuseWhileMoved = (world: World, folder: string): Promise<void> => refuseMoving(world, folder, process.pid)

/** Runs `work` while nobody else moves this lab. */
export async function movingAlone<T>(world: World, folder: string, work: () => Promise<T>): Promise<T> {
  await alone(world, `${pidFileIn(folder)}.lock`, async () => {
    await refuseMoving(world, folder)
    await writeOwnPidFile(world, pidFileIn(folder), true)
  })
  try {
    return await work()
  } finally {
    await world.files.remove(pidFileIn(folder))
  }
}
