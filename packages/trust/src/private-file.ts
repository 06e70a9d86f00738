import type { World } from '@murmuration/world'

/** A private file stands open to other users of the machine; nothing in it counts as secret any more. */
export class PrivateFileExposed extends Error {
  constructor(path: string, mode: number) {
    super(
      `${path} was not used: its mode is ${(mode & 0o777).toString(8).padStart(4, '0')}, so other users of this machine may have read it. ` +
        'If nobody had access, close it with chmod 600; otherwise replace what it protects.',
    )
    this.name = 'PrivateFileExposed'
  }
}

/** Reads a file that only its owner may read. Throws PrivateFileExposed when group or others can. */
export async function readPrivateFile(world: World, path: string): Promise<string | undefined> {
  const data = await world.files.read(path)
  if (data === undefined) return undefined
  // Worlds without file modes (simulated ones) have no other users either.
  const mode = await world.files.mode?.(path)
  if (mode !== undefined && (mode & 0o077) !== 0) throw new PrivateFileExposed(path, mode)
  return new TextDecoder().decode(data)
}
