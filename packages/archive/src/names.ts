import { limits } from './limits.ts'

/**
 * A name that stays below the folder that it is put into: parts with `/`, none of them empty, `.` or `..`, no backslash, no colon, no control
 * character. Whoever unpacks checks it again where it becomes a path.
 */
export function isSafeName(name: unknown): name is string {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed() || Buffer.byteLength(name) > limits.nameBytes) return false
  const parts = name.split('/')
  return parts.length <= limits.nameParts && parts.every(isSafePart)
}

const isSafePart = (part: string): boolean =>
  part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255 && !/[\\:\p{Cc}]/u.test(part)

/** Names of one archive: none twice, and none below another one, as no file is a folder. */
export function createNameSet(): { add(name: string): boolean } {
  const names = new Set<string>()
  const folders = new Set<string>()
  return {
    add(name) {
      const parts = name.split('/')
      const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
      if (names.has(name) || folders.has(name) || above.some((folder) => names.has(folder))) return false
      names.add(name)
      for (const folder of above) folders.add(folder)
      return true
    },
  }
}
