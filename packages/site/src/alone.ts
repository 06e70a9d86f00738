import type { World } from '@murmuration/world'

/** Making keys and certificates takes a fraction of this; who holds on for longer has died. */
const staleMs = 30_000
const pauseMs = 50

/**
 * Runs `work` while no other process of the site does: several may start at once for the first time, and keys that two of
 * them made would not fit together. The lock is a folder with something in it, which no rename replaces.
 */
export async function alone<T>(world: World, lock: string, work: () => Promise<T>): Promise<T> {
  const mine = `${lock}.${Buffer.from(world.random.bytes(8)).toString('hex')}`
  await world.files.write(`${mine}/since`, String(world.clock.nowMs()))
  try {
    for (;;) {
      try {
        await world.files.rename(mine, lock)
        break
      } catch (error) {
        if (!isTaken(error)) throw error
        const since = await world.files.read(`${lock}/since`)
        const ageMs = since === undefined ? 0 : world.clock.nowMs() - Number(new TextDecoder().decode(since))
        // An age below zero is a clock that was set back.
        if (ageMs > staleMs || ageMs < -staleMs) await giveUp(world, lock)
        else await world.timers.sleep(pauseMs)
      }
    }
  } catch (error) {
    await world.files.remove(mine)
    throw error
  }
  try {
    return await work()
  } finally {
    await giveUp(world, lock)
  }
}

/** Moved aside first: while it is emptied where it stands, somebody else may take it, and lose it half-way. */
async function giveUp(world: World, lock: string): Promise<void> {
  const aside = `${lock}.${Buffer.from(world.random.bytes(8)).toString('hex')}`
  try {
    await world.files.rename(lock, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await world.files.remove(aside)
}

const isTaken = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}
