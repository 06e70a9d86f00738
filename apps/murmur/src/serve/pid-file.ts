import { createDaemons, type ProcessIdentity, type World } from '@murmuration/world'

/**
 * `<var>/<name>.pid`: which process serves a site; JSON with pid and start time, so that a recycled number is recognised. Written
 * before anything is started, so that whoever ends a site finds it from its first moment on.
 */
export const pidFileOf = (varFolder: string, processName = 'murmur'): string => `${varFolder}/${processName}.pid`

interface ServingProcess extends ProcessIdentity {
  readonly ready: boolean
}

async function readPidFile(world: World, path: string): Promise<ServingProcess | undefined> {
  const text = await world.files.read(path)
  if (text === undefined) return undefined
  try {
    const { pid, startTicks, ready } = JSON.parse(Buffer.from(text).toString('utf8')) as Partial<ServingProcess>
    return Number.isInteger(pid) && typeof startTicks === 'number' ? { pid: pid!, startTicks, ready: ready === true } : undefined
  } catch {
    return undefined
  }
}

/** The process of the file when it still runs. */
export async function runningProcess(world: World, path: string): Promise<ServingProcess | undefined> {
  const recorded = await readPidFile(world, path)
  return recorded !== undefined && (await createDaemons().isAlive(recorded)) ? recorded : undefined
}

export async function writeOwnPidFile(world: World, path: string, ready: boolean): Promise<void> {
  const own = (await createDaemons().identify(process.pid)) ?? { pid: process.pid, startTicks: 0 }
  await world.files.write(path, `${JSON.stringify({ ...own, ready })}\n`, { mode: 0o644 })
}
