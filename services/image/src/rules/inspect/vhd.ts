import { problem, startsWith, u64, type Format, type Verdict } from './format.ts'
import type { Seen } from './probe.ts'

const footerBytes = 512
const types = { fixed: 2, dynamic: 3, differencing: 4 } as const

/** Virtual PC's format: a footer, and a copy of it at the beginning unless the disk is of fixed size. */
export const vhd: Format = {
  name: 'vhd',
  matches: (seen) => footerOf(seen) !== undefined,
  judge,
}

function footerOf({ head, tail, size }: Seen): Buffer | undefined {
  if (startsWith(head, 0, 'conectix')) return head.subarray(0, footerBytes)
  const last = tail.subarray(Math.max(0, tail.length - footerBytes))
  return size >= footerBytes && startsWith(last, 0, 'conectix') ? last : undefined
}

function judge(seen: Seen): Verdict {
  const footer = footerOf(seen)!
  if (footer.length < footerBytes) return problem('the vhd footer is cut off')
  let sum = 0
  for (const [index, byte] of footer.entries()) if (index < 64 || index > 67) sum += byte
  if (~sum >>> 0 !== footer.readUInt32BE(64)) return problem('the checksum of its footer is wrong')
  const type = footer.readUInt32BE(60)
  if (type === types.differencing) return problem('it has a parent')
  if (type !== types.fixed && type !== types.dynamic) return problem(`type ${type} of vhd is not known`)
  const virtualSize = u64(footer, 48, 'big')
  return virtualSize === undefined ? problem('its virtual size is impossible') : { virtualSize }
}
