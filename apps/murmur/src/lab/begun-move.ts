import { alone } from '@murmuration/site'
import type { World } from '@murmuration/world'
import type { Copied } from '../commands/db-copy.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { pidFileOf, runningProcess, writeOwnPidFile } from '../serve/pid-file.ts'
import type { LabSite } from './state.ts'

/** What is left of a move of a site that was interrupted, for whoever goes on with it. */
export interface BegunMove {
  readonly to: string
  /** It was stopped for the move. */
  readonly ran: boolean
  /** What the new place held when it was copied: only that is replaced without being asked. */
  readonly copied: readonly Copied[]
}

const fileOf = ({ varFolder }: LabSite): string => `${varFolder}/run/move.json`

export async function begunMove(world: World, site: LabSite): Promise<BegunMove | undefined> {
  const text = await world.files.read(fileOf(site))
  return text === undefined ? undefined : (JSON.parse(Buffer.from(text).toString('utf8')) as BegunMove)
}

export const keepMove = (world: World, site: LabSite, move: BegunMove): Promise<void> =>
  world.files.write(fileOf(site), JSON.stringify(move))

export const endMove = (world: World, site: LabSite): Promise<void> => world.files.remove(fileOf(site))

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
