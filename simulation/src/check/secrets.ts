import type { World } from '@murmuration/world'
import { canary, canaryBase64 } from '../fleet/secrets.ts'
import { Violation } from './violation.ts'

const needles = [canary, canaryBase64].map((text) => Buffer.from(text))

export function secretsKept(where: string, data: Uint8Array | string): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (const needle of needles) {
    const at = bytes.indexOf(needle)
    if (at >= 0)
      throw new Violation(
        'secret-told',
        `${where} holds a secret in clear: …${bytes.subarray(Math.max(0, at - 60), at + 12).toString('latin1')}…`,
      )
  }
}

/** Every file below a folder, but those that are there to hold a secret. */
export async function filesKeepSecrets(files: World['files'], folder: string, except: ReadonlySet<string>): Promise<string[]> {
  const paths: string[] = []
  const walk = async (path: string): Promise<void> => {
    const names = await files.list(path)
    for (const name of names) await walk(`${path}/${name}`)
    const data = names.length === 0 ? await files.read(path) : undefined
    if (data === undefined || except.has(path)) return
    paths.push(path)
    secretsKept(path, data)
  }
  await walk(folder)
  return paths
}
