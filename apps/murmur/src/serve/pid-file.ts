import { createDaemons, type ProcessIdentity, type World } from '@murmuration/world'

/** `<var>/<name>.pid`: which process serves a site; JSON with pid and start time, so that a recycled number is recognised. */
export const pidFileOf = (varFolder: string, processName = 'murmur'): string => `${varFolder}/${processName}.pid`

export async function readPidFile(world: World, path: string): Promise<ProcessIdentity | undefined> {
  const text = await world.files.read(path)
  if (text === undefined) return undefined
  try {
    const { pid, startTicks } = JSON.parse(Buffer.from(text).toString('utf8')) as Partial<ProcessIdentity>
    return Number.isInteger(pid) && typeof startTicks === 'number' ? { pid: pid!, startTicks } : undefined
  } catch {
    return undefined
  }
}

/** The process of the file when it still runs. */
export async function runningProcess(world: World, path: string): Promise<ProcessIdentity | undefined> {
  const recorded = await readPidFile(world, path)
  return recorded !== undefined && (await createDaemons().isAlive(recorded)) ? recorded : undefined
}

export async function writeOwnPidFile(world: World, path: string): Promise<void> {
  const own = await createDaemons().identify(process.pid)
  await world.files.write(path, `${JSON.stringify(own ?? { pid: process.pid, startTicks: 0 })}\n`, { mode: 0o644 })
}
