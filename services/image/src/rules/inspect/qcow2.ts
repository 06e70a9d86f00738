import { problem, startsWith, u64, type Format, type Verdict } from './format.ts'
import type { Seen } from './probe.ts'

const incompatible = { dirty: 0, corrupt: 1, externalData: 2, compressionType: 3, extendedL2: 4 } as const
const known = (1n << 5n) - 1n
const extensions = { end: 0, externalData: 0x44415441 } as const
const l1BytesMost = 32 * 1024 * 1024
const oldHeaderBytes = 72
const newHeaderBytes = 104

/** QEMU's own format. Whatever makes its reader open another file is refused (attacks 16). */
export const qcow2: Format = {
  name: 'qcow2',
  matches: ({ head }) => startsWith(head, 0, [0x51, 0x46, 0x49, 0xfb]),
  judge,
}

function judge({ head, size }: Seen): Verdict {
  if (head.length < oldHeaderBytes) return problem('the qcow2 header is cut off')
  const version = head.readUInt32BE(4)
  if (version !== 2 && version !== 3) return problem(`version ${version} of qcow2 is not known`)
  if (version === 3 && head.length < newHeaderBytes) return problem('the qcow2 header is cut off')
  if (head.readBigUInt64BE(8) !== 0n) return problem('it has a backing file')
  const clusterBits = head.readUInt32BE(20)
  if (clusterBits < 9 || clusterBits > 21) return problem('its cluster size is impossible')
  const clusterBytes = 2 ** clusterBits
  const features = version === 3 ? head.readBigUInt64BE(72) : 0n
  const has = (bit: number): boolean => ((features >> BigInt(bit)) & 1n) === 1n
  if (has(incompatible.externalData)) return problem('its data lies in another file')
  if (has(incompatible.corrupt)) return problem('it is marked as corrupt')
  if ((features & ~known) !== 0n) return problem('it uses features that are not known')
  if (has(incompatible.extendedL2) && clusterBits < 14) return problem('its extended L2 entries are impossible')
  if (![0, 2].includes(head.readUInt32BE(32))) return problem('it is encrypted in a way that is not known to be safe')
  const headerBytes = version === 3 ? head.readUInt32BE(100) : oldHeaderBytes
  if (headerBytes > clusterBytes || (version === 3 && (headerBytes < newHeaderBytes || headerBytes % 8 !== 0)))
    return problem('the length of its header is impossible')

  const virtualSize = u64(head, 24, 'big')
  if (virtualSize === undefined) return problem('its virtual size is impossible')
  const l1Entries = head.readUInt32BE(36)
  const l1Offset = u64(head, 40, 'big')
  const refcountOffset = u64(head, 48, 'big')
  const refcountBytes = head.readUInt32BE(56) * clusterBytes
  const inside = (offset: number | undefined, bytes: number): boolean =>
    offset !== undefined && offset % clusterBytes === 0 && offset >= clusterBytes && offset + bytes <= size
  if (l1Entries * 8 > l1BytesMost) return problem('its table of tables is too large')
  // An entry leads to a table of one cluster.
  const covered = clusterBytes * (clusterBytes / (has(incompatible.extendedL2) ? 16 : 8))
  if (l1Entries < Math.ceil(virtualSize / covered)) return problem('its tables do not cover its virtual size')
  if (l1Entries > 0 && !inside(l1Offset, l1Entries * 8)) return problem('its table of tables lies outside of it')
  if (!inside(refcountOffset, refcountBytes)) return problem('its reference counts lie outside of it')
  return extensionProblem(head, headerBytes, clusterBytes) ?? { virtualSize }
}

function extensionProblem(head: Buffer, headerBytes: number, clusterBytes: number): Verdict | undefined {
  const end = Math.min(clusterBytes, head.length)
  for (let at = headerBytes; at + 8 <= end;) {
    const type = head.readUInt32BE(at)
    const length = head.readUInt32BE(at + 4)
    if (type === extensions.end) return undefined
    if (type === extensions.externalData) return problem('its data lies in another file')
    if (at + 8 + length > clusterBytes) return problem('a part of its header is longer than the header')
    at += 8 + Math.ceil(length / 8) * 8
  }
  return undefined
}
