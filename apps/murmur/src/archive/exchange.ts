import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { besides } from './scope.ts'

/** How a restored folder takes the place of the old one; also the journal of it, so that another run can finish. */
export interface Exchange {
  readonly folder: string
  /** Paths in the old folder that the archive leaves out: they move over. */
  readonly keep: readonly string[]
  /** What else stands at the top of the old folder moves over too: it belongs to somebody else. */
  readonly keepOthers: boolean
  /** Databases outside of the folder were replaced, or are about to be: until a restore has ended, nothing fits together. */
  readonly external: boolean
}

/** From here on the site does not start until a restore has ended (`refuseInterruptedRestore`). */
export const beginExchange = (world: World, siteFolder: string, exchange: Exchange): Promise<void> =>
  world.files.write(besides.journal(siteFolder), `${JSON.stringify({ version: 1, ...exchange })}\n`)

export const endExchange = (world: World, siteFolder: string): Promise<void> => world.files.remove(besides.journal(siteFolder))

/** Two renames and what follows them. Died anywhere in it, `settleInterrupted` brings back the old folder or finishes the new one. */
export async function exchangeFolders(world: World, exchange: Exchange): Promise<void> {
  const { folder } = exchange
  if (await exists(world, folder)) await rename(world, folder, besides.replaced(folder))
  await rename(world, besides.staging(folder), folder)
  await moveOver(world, exchange)
}

async function moveOver(world: World, { folder, keep, keepOthers }: Exchange): Promise<void> {
  const old = besides.replaced(folder)
  const others = keepOthers ? await world.files.list(old) : []
  for (const path of [...keep, ...others]) {
    if ((await exists(world, `${old}/${path}`)) && !(await exists(world, `${folder}/${path}`)))
      await world.files.rename(`${old}/${path}`, `${folder}/${path}`)
  }
  await world.files.remove(old)
}

/** What an earlier restore left half-way is put in order first, whatever this one is about. */
export async function settleInterrupted(world: World, siteFolder: string): Promise<void> {
  const text = await world.files.read(besides.journal(siteFolder))
  if (text === undefined) return
  const exchange = JSON.parse(Buffer.from(text).toString('utf8')) as Exchange
  const { folder, external } = exchange
  if (await exists(world, besides.replaced(folder))) {
    if (await exists(world, folder)) await moveOver(world, exchange)
    else await world.files.rename(besides.replaced(folder), folder)
  }
  await world.files.remove(besides.staging(folder))
  if (!external) await endExchange(world, siteFolder)
}

/** Called before a site is used: half of one state and half of another would be worse than none. */
export async function refuseInterruptedRestore(world: World, siteFolder: string): Promise<void> {
  if ((await world.files.size(besides.journal(siteFolder))) === undefined) return
  throw new CommandFailed(
    exitCodes.conflict,
    `A restore of ${siteFolder} is under way, or was interrupted.`,
    'Run the restore again: it finishes.',
  )
}

export const exists = async (world: World, path: string): Promise<boolean> =>
  (await world.files.size(path)) !== undefined || (await world.files.list(path).catch(() => [])).length > 0

async function rename(world: World, from: string, to: string): Promise<void> {
  try {
    await world.files.rename(from, to)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EBUSY' && code !== 'EXDEV') throw error
    throw new CommandFailed(
      exitCodes.refused,
      `${from} can not be renamed: it is a mount point, and a restore exchanges it as a whole.`,
      'Mount the file system one folder higher, or restore into a folder inside of it.',
      { cause: error },
    )
  }
}
