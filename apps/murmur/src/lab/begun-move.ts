import type { World } from '@murmuration/world'
import type { Copied } from '../commands/db-copy.ts'
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
