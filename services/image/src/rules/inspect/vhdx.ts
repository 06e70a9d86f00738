import { problem, startsWith, u64, type Format, type Verdict } from './format.ts'
import type { Seen, Wanted } from './probe.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
const tables = [192 * kibibyte, 256 * kibibyte]
const regionsMost = 2047
const itemsMost = 2047
const tableBytes = 64 * kibibyte
const itemBytesMost = 64 * kibibyte

/** GUIDs as they lie in the file. */
const guids = {
  metadata: '06a27c8b90479a4bb8fe575f050f886e',
  bat: '6677c22d23f600429d64115e9bfd4a08',
  parameters: '3767a1ca36fa434db3b633f0aa44e76b',
  size: '2442a52f1bcd7648b2115dbed83bf4b8',
  parentLocator: '2d5fd3a80bb34d45abf7d3d84834ab0c',
} as const

interface Region {
  readonly guid: string
  readonly offset: number
  readonly length: number
}

/** Hyper-V's format. What matters stands in a region that the header points to; regions may not overlap or lie outside (attacks 17). */
export const vhdx: Format = {
  name: 'vhdx',
  matches: ({ head }) => startsWith(head, 0, 'vhdxfile'),
  wants(seen) {
    const region = metadataOf(seen)
    if (!('guid' in region)) return []
    const table = { offset: region.offset, length: Math.min(tableBytes, region.length) }
    return [table, ...itemsOf(seen, region).flatMap(({ guid, place }) => (guid === guids.size || guid === guids.parameters ? [place] : []))]
  },
  judge,
}

function metadataOf({ head }: Seen): Region | Verdict {
  const at = tables.find((offset) => startsWith(head, offset, 'regi'))
  if (at === undefined) return problem('it has no table of regions')
  const count = head.readUInt32LE(at + 8)
  if (count > regionsMost) return problem('its table of regions is too large')
  const regions: Region[] = []
  for (let index = 0; index < count; index += 1) {
    const entry = at + 16 + index * 32
    if (entry + 32 > head.length) return problem('its table of regions is cut off')
    const guid = head.subarray(entry, entry + 16).toString('hex')
    const offset = u64(head, entry + 16, 'little')
    const length = head.readUInt32LE(entry + 24)
    if (offset === undefined || offset < mebibyte || offset % mebibyte !== 0 || length === 0)
      return problem('a region lies where none can be')
    const known: readonly string[] = [guids.metadata, guids.bat]
    if (!known.includes(guid) && (head.readUInt32LE(entry + 28) & 1) === 1) return problem('it needs a region that is not known')
    if (regions.some((one) => offset < one.offset + one.length && one.offset < offset + length)) return problem('its regions overlap')
    regions.push({ guid, offset, length })
  }
  return regions.find(({ guid }) => guid === guids.metadata) ?? problem('it has no metadata')
}

function itemsOf(seen: Seen, region: Region): { readonly guid: string; readonly place: Wanted }[] {
  const table = seen.at(region.offset, Math.min(tableBytes, region.length))
  if (table === undefined || !startsWith(table, 0, 'metadata')) return []
  const count = Math.min(table.readUInt16LE(10), itemsMost)
  const items: { guid: string; place: Wanted }[] = []
  for (let index = 0; index < count && 32 + (index + 1) * 32 <= table.length; index += 1) {
    const entry = 32 + index * 32
    const offset = table.readUInt32LE(entry + 16)
    const length = table.readUInt32LE(entry + 20)
    if (offset < tableBytes || offset + length > region.length || length > itemBytesMost) continue
    items.push({ guid: table.subarray(entry, entry + 16).toString('hex'), place: { offset: region.offset + offset, length } })
  }
  return items
}

function judge(seen: Seen): Verdict {
  const region = metadataOf(seen)
  if (!('guid' in region)) return region
  if (region.offset + region.length > seen.size) return problem('its metadata lies outside of it')
  const items = itemsOf(seen, region)
  const bytesOf = (guid: string): Buffer | undefined => {
    const place = items.find((item) => item.guid === guid)?.place
    return place === undefined ? undefined : seen.at(place.offset, place.length)
  }
  if (items.some(({ guid }) => guid === guids.parentLocator)) return problem('it has a parent')
  const parameters = bytesOf(guids.parameters)
  if (parameters === undefined || parameters.length < 8) return problem('it does not say its parameters')
  if ((parameters.readUInt32LE(4) & 2) !== 0) return problem('it has a parent')
  const virtualSize = u64(bytesOf(guids.size) ?? Buffer.alloc(0), 0, 'little')
  return virtualSize === undefined ? problem('its virtual size is impossible') : { virtualSize }
}
