import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** All regular files below a folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/**
 * Files that hold one of the secrets in clear (as it is, or in base64, as requests carry it), read as bytes: databases, logs,
 * whatever lies there.
 */
export async function filesHolding(folder: string, secrets: readonly string[]): Promise<string[]> {
  const needles = secrets.flatMap((secret) => [secret, Buffer.from(secret).toString('base64').replace(/=+$/, '')])
  const found: string[] = []
  for (const file of await filesBelow(folder)) {
    const bytes = await readFile(file).catch(() => Buffer.alloc(0))
    if (needles.some((needle) => bytes.includes(needle))) found.push(file)
  }
  return found
}

export const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777
