import type { Format, Verdict } from './format.ts'
import { iso, vdi } from './others.ts'
import { headBytes, Probe } from './probe.ts'
import { qcow2 } from './qcow2.ts'
import { vhd } from './vhd.ts'
import { vhdx } from './vhdx.ts'
import { vmdk } from './vmdk.ts'

export const formats: readonly Format[] = [qcow2, vmdk, vhd, vhdx, vdi, iso]
/** Never looked into by anybody: whatever they hold, it is bytes. */
const opaque: ReadonlySet<string> = new Set(['raw', 'ami', 'ari', 'aki', 'ploop'])

export interface Inspection {
  push(piece: Uint8Array): void
  /** As soon as it is clear that the bytes are not what they are called: the rest need not come. */
  readonly hopeless: string | undefined
  /** After the last byte. `problem` says why they must not be used under this name. */
  end(): Verdict & { readonly mismatch?: boolean }
}

/**
 * Judges bytes on their way in by what they are, not by what they are called (attacks 16, 17): they must be of the named format and of no
 * other, and hold nothing that leads out of the file. Bytes called raw are taken as they are, and stay raw for everybody.
 */
export function inspect(diskFormat: string): Inspection {
  const claimed = formats.find(({ name }) => name === diskFormat)
  if (claimed === undefined || opaque.has(diskFormat)) {
    let size = 0
    return { push: (piece) => void (size += piece.length), hopeless: undefined, end: () => ({ virtualSize: size }) }
  }
  const probe = new Probe((seen) => formats.flatMap((format) => (format.matches(seen) ? (format.wants?.(seen) ?? []) : [])))
  let hopeless: string | undefined
  let judged = false
  let looked = false
  const mismatch = (): string | undefined => {
    const found = formats.filter((format) => format.matches(probe.seen)).map(({ name }) => name)
    const others = found.filter((name) => name !== diskFormat)
    if (others.length > 0) return `it is ${found.join(' and ')}`
    // A disk of fixed size has its mark at the end.
    return found.length > 0 || (diskFormat === 'vhd' && !judged) ? undefined : `it is not ${diskFormat}`
  }
  return {
    push(piece) {
      probe.push(piece)
      if (looked || probe.seen.size < headBytes) return
      looked = true
      const early = mismatch()
      // The end of a piece may look like the end of a file.
      if (early !== undefined && !early.includes('vhd')) hopeless = early
    },
    get hopeless() {
      return hopeless
    },
    end() {
      judged = true
      const wrong = hopeless ?? mismatch()
      return wrong === undefined ? claimed.judge(probe.seen) : { problem: wrong, mismatch: true }
    },
  }
}
