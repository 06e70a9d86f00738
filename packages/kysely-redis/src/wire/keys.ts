/**
 * All keys that a commit touches, from its arguments (see `commit` in library.ts). A cluster is told them before the function runs: while
 * a slot moves, it then answers TRYAGAIN before anything is written, instead of failing in the middle.
 */
export function keysOfCommit(base: string, args: readonly (string | number)[]): string[] {
  const keys = new Set([`${base}:c:${args[0]}`, `${base}:cat`, `${base}:tv`])
  let at = 3
  const row = (table: unknown, key: unknown): unknown => keys.add(`${base}:r:${String(table)}:${String(key)}`)
  while (at < args.length) {
    const table = args[at + 1]
    const count = Number(args[at + 2])
    switch (String(args[at])) {
      case 'W':
        at += 1
        break
      case 'V':
      case 'P':
        for (let index = 0; index < count; index++) row(table, args[at + 3 + 2 * index])
        at += 3 + 2 * count
        break
      case 'D':
      case 'E':
        for (let index = 0; index < count; index++) row(table, args[at + 3 + index])
        at += 3 + count
        break
      case 'A':
      case 'Z':
        keys.add(`${base}:i:${String(table)}:${String(args[at + 2])}`)
        at += 4 + Number(args[at + 3])
        break
      case 'R':
        keys.add(`${base}:i:${String(table)}:${String(args[at + 2])}`)
        at += 8
        break
      case 'C':
        keys.add(`${base}:i:${String(table)}:0`)
        at += 3
        break
      case 'F':
        keys.add(`${base}:k:${String(table)}`)
        at += 3
        break
      case 'Q':
        keys.add(`${base}:seq`)
        at += 3
        break
      case 'X':
        keys.add(`${base}${String(table)}`)
        at += 2
        break
      default:
        at += 3
    }
  }
  return [...keys]
}

/** The same of `change` (see change.ts). */
export function keysOfChange(base: string, args: readonly (string | number)[]): string[] {
  const [id, , , table, key] = args
  const keys = [`${base}:c:${id}`, `${base}:cat`, `${base}:tv`, `${base}:r:${table}:${key}`]
  for (let at = 6; at < args.length;) {
    const op = args[at]
    if (op === 'D') keys.push(`${base}:i:${table}:0`)
    if (op === 'X') keys.push(`${base}:i:${table}:${args[at + 1]}`)
    if (op === 'N') keys.push(`${base}:i:${args[at + 1]}:${args[at + 2]}`)
    at += op === 'D' ? 1 : op === 'X' ? 4 + Number(args[at + 3]) : 3
  }
  return keys
}
