import { createDaemons, type ProcessIdentity, type World } from '@murmuration/world'
import type { Copied } from '../commands/db-copy.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import type { LabSite } from './state.ts'

/** A move of a site, for those who would start the site meanwhile, and for whoever goes on with it after an interruption. */
export interface BegunMove {
  /** Who moves it: the site is not started while that one lives, but by itself. */
  readonly mover?: ProcessIdentity
  readonly to: string
  /** It was stopped for the move. */
  readonly ran: boolean
  /** What the new place held when it was copied: only that is replaced without being asked. */
  readonly copied: readonly Copied[]
}

type Moved = Pick<LabSite, 'varFolder'>
const fileOf = ({ varFolder }: Moved): string => `${varFolder}/run/move.json`

export async function begunMove(world: World, site: Moved): Promise<BegunMove | undefined> {
  const text = await world.files.read(fileOf(site))
  return text === undefined ? undefined : (JSON.parse(Buffer.from(text).toString('utf8')) as BegunMove)
}

export const keepMove = (world: World, site: Moved, move: BegunMove): Promise<void> => world.files.write(fileOf(site), JSON.stringify(move))

export const endMove = (world: World, site: Moved): Promise<void> => world.files.remove(fileOf(site))

/** Set for what the mover starts itself. */
const moverVariable = 'MURMUR_MOVER_PID'
export const asMover = { [moverVariable]: String(process.pid) }

/**
 * Throws while another process copies the data of this site: it would go on at the old place. Asked by every start, whoever it is by; what
 * has written down its own pid before it asks is stopped by the mover, or sees it here. With `patienceMs` the end of the move is waited for.
 */
export async function refuseWhileCopied(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  site: Moved & { readonly name: string },
  patienceMs = 0,
): Promise<void> {
  const untilMs = world.clock.monotonicMs() + patienceMs
  for (;;) {
    const mover = (await begunMove(world, site))?.mover
    if (mover === undefined || environment[moverVariable] === String(mover.pid) || !(await createDaemons().isAlive(mover))) return
    if (world.clock.monotonicMs() >= untilMs)
      throw new CommandFailed(
        exitCodes.conflict,
        `The data of ${site.name} is being moved by another command (pid ${mover.pid}).`,
        'Wait for its end, then run this one again.',
      )
    await world.timers.sleep(200)
  }
}
