import { problem, startsWith, u64, type Format } from './format.ts'

const vdiMark = 0x40
const vdiHeaderBytes = 0x200
const vdiTypes: ReadonlySet<number> = new Set([1, 2])

/** VirtualBox' format. */
export const vdi: Format = {
  name: 'vdi',
  matches: ({ head }) => startsWith(head, vdiMark, [0x7f, 0x10, 0xda, 0xbe]),
  judge({ head }) {
    if (head.length < vdiHeaderBytes) return problem('the vdi header is cut off')
    if (head.readUInt16LE(0x46) !== 1) return problem('its version of vdi is not known')
    if (!vdiTypes.has(head.readUInt32LE(0x4c))) return problem('it has a parent, or is of a type that is not known')
    // The image that it is a difference to.
    if (head.subarray(0x1a8, 0x1b8).some((byte) => byte !== 0)) return problem('it has a parent')
    const virtualSize = u64(head, 0x170, 'little')
    return virtualSize === undefined ? problem('its virtual size is impossible') : { virtualSize }
  },
}

const isoDescriptor = 16 * 2048

/** A CD: its first descriptor stands in sector 16, what is before may be anything that no other format claims. */
export const iso: Format = {
  name: 'iso',
  matches: ({ head }) => startsWith(head, isoDescriptor + 1, 'CD001'),
  judge({ head }) {
    if (head.length < isoDescriptor + 2048) return problem('its first descriptor is cut off')
    return { virtualSize: head.readUInt32LE(isoDescriptor + 80) * head.readUInt16LE(isoDescriptor + 128) }
  },
}
