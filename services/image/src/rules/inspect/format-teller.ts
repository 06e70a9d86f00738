import { formats } from './index.ts'
import { headBytes, Probe } from './probe.ts'

/** Tells a format by the beginning of bytes, for who has not said what they are. */
export interface FormatTeller {
  /** True when more would tell nothing new. */
  push(piece: Uint8Array): boolean
  /** `raw` when they bear no mark, or the marks of several. */
  name(): string
}

export function createFormatTeller(): FormatTeller {
  const probe = new Probe(() => [])
  return {
    push(piece) {
      probe.push(piece)
      return probe.seen.size >= headBytes
    },
    name() {
      const found = formats.filter((format) => format.matches(probe.seen))
      return found.length === 1 ? found[0]!.name : 'raw'
    },
  }
}
