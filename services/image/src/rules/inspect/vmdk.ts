import { problem, startsWith, u64, type Format, type Verdict } from './format.ts'
import type { Seen, Wanted } from './probe.ts'

const sectorBytes = 512
const descriptorSectorsMost = 128
const allowedTypes = ['monolithicsparse', 'streamoptimized']

/** VMware's format: one file that holds its own descriptor and its own data, nothing that names another file (attacks 17). */
export const vmdk: Format = {
  name: 'vmdk',
  matches: ({ head }) => startsWith(head, 0, 'KDMV') || startsWith(head, 0, 'COWD') || startsWith(head, 0, '# Disk DescriptorFile'),
  wants: ({ head }) => {
    const place = descriptorPlace(head)
    return typeof place === 'object' && 'offset' in place ? [place] : []
  },
  judge,
}

function descriptorPlace(head: Buffer): Wanted | Verdict {
  if (!startsWith(head, 0, 'KDMV')) return problem('it is a descriptor that names other files')
  if (head.length < sectorBytes) return problem('the vmdk header is cut off')
  const offset = u64(head, 28, 'little')
  const sectors = u64(head, 36, 'little')
  if (offset === undefined || sectors === undefined || offset === 0 || sectors === 0) return problem('it has no descriptor of its own')
  if (sectors > descriptorSectorsMost) return problem('its descriptor is too long')
  return { offset: offset * sectorBytes, length: sectors * sectorBytes }
}

function judge(seen: Seen): Verdict {
  const { head, size } = seen
  const place = descriptorPlace(head)
  if (!('offset' in place)) return place
  const version = head.readUInt32LE(4)
  if (version < 1 || version > 3) return problem(`version ${version} of vmdk is not known`)
  const capacity = u64(head, 12, 'little')
  const virtualSize = (capacity ?? Number.NaN) * sectorBytes
  if (!Number.isSafeInteger(virtualSize)) return problem('its virtual size is impossible')
  if (place.offset + place.length > size) return problem('its descriptor lies outside of it')
  const bytes = seen.at(place.offset, place.length)
  if (bytes === undefined) return problem('its descriptor lies too far from its beginning')
  const end = bytes.indexOf(0)
  const text = bytes.subarray(0, end === -1 ? bytes.length : end).toString('latin1')
  return descriptorProblem(text) ?? { virtualSize }
}

function descriptorProblem(text: string): Verdict | undefined {
  if (!/^# Disk DescriptorFile/i.test(text)) return problem('its descriptor is none')
  const extents: string[] = []
  let type: string | undefined
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    const setting = /^(\w+)\s*=\s*"?([^"]*)"?$/.exec(line)
    if (setting?.[1]?.toLowerCase() === 'createtype') {
      if (type !== undefined) return problem('its descriptor says its type twice')
      type = setting[2]!.toLowerCase()
    } else if (setting?.[1]?.toLowerCase() === 'parentcid' && setting[2]!.toLowerCase() !== 'ffffffff') return problem('it has a parent')
    else if (setting?.[1]?.toLowerCase() === 'parentfilenamehint') return problem('it has a parent')
    else if (/^(?:RW|RDONLY|NOACCESS)\b/i.test(line)) extents.push(line)
  }
  if (type === undefined || !allowedTypes.includes(type))
    return problem(`type ${type ?? 'unknown'} of vmdk is not taken: send one that is ${allowedTypes.join(' or ')}`)
  if (extents.length !== 1) return problem('its data must be one extent')
  if (!/^RW\s+\d+\s+SPARSE\s+"[^"/\\]{1,255}"$/i.test(extents[0]!)) return problem('its extent names another file')
  return undefined
}
