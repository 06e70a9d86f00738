import type { Table } from '../catalog/types.ts'
import type { Path } from './access.ts'

/** What a path adds to the key of the row that it starts from. */
export interface Followed {
  readonly suffix: string
  /** It names one row by its primary key. */
  readonly whole: boolean
}

/**
 * Does the path to another table begin with the primary key of the row at `slot` (of this select, or of the one around it), and go on with
 * constants? Then the server finds its way alone, and what it leads to is fetched with the row itself.
 */
export function followed(path: Path, from: Table, slot: number, where: 'column' | 'outer'): Followed | undefined {
  if (path.kind !== 'index' || path.interval) return undefined
  const { points, index } = path
  const key = from.primary.columns
  if (points.length < key.length) return undefined
  let suffix = ''
  for (const [at, point] of points.entries()) {
    const shape = point.by?.shape
    if (at < key.length) {
      if (shape?.t !== where || shape.slot !== slot || shape.place !== key[at]) return undefined
      // Encoded alike on both sides; `usable` has compared the kinds, but for a whole number that stands for a real one.
      if (point.by?.kind !== point.kind) return undefined
    } else {
      const [text, ...more] = shape?.t === 'value' ? point.keys({ rows: [], outer: undefined }) : []
      if (text === undefined || more.length > 0) return undefined
      suffix += text
    }
  }
  return { suffix, whole: index.primary && points.length === index.columns.length }
}
