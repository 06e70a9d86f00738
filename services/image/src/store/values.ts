import { flag, timestamp } from '@murmuration/data'
import type { Insertable } from 'kysely'
import { readMoment } from '../rules/moments.ts'
import { DataRefused } from '../rules/refusals.ts'
import { isStatus, type ImageStatus } from '../rules/status.ts'
import { asText, holdsBeyondBmp } from '../rules/text.ts'
import { isVisibility, type Visibility } from '../rules/visibility.ts'
import type { ImageTable } from './schema.ts'

/** What a caller writes into the columns of an image, by name; children and unknown keys are left out. */
export type Values = Readonly<Record<string, unknown>>

const most32 = 2_147_483_647
/** Characters that they hold at most (reference image §3.1): an index of some engine takes no more than a few thousand. */
const texts = { name: 255, disk_format: 20, container_format: 20, checksum: 32, os_hash_algo: 64, os_hash_value: 128, owner: 255 } as const
export const mostNameChars = 255
const numbers = ['size', 'virtual_size', 'min_disk', 'min_ram'] as const
const flags = ['protected', 'os_hidden'] as const

type Columns = Partial<Insertable<ImageTable>>

const invalid = (message: string): DataRefused => new DataRefused('Invalid', message)

/** The columns that `values` writes, checked (reference image §3.2). Absent ones stay absent. */
export function columnsOf(values: Values): Columns {
  if (holdsBeyondBmp(values)) throw invalid('Invalid image data: characters beyond the BMP are not supported.')
  const columns: Record<string, unknown> = {}
  for (const [key, mostChars] of Object.entries(texts)) {
    const value = values[key]
    if (value === undefined) continue
    if (value !== null && (typeof value !== 'string' || value.length > mostChars))
      throw invalid(`Invalid value for ${key}: it is a text of at most ${mostChars} characters.`)
    columns[key] = key === 'owner' && value === '' ? null : value
  }
  for (const key of numbers) if (values[key] !== undefined) columns[key] = numberOf(key, values[key])
  for (const key of flags) if (values[key] !== undefined) columns[key] = flag(values[key] === true || values[key] === 1)
  if (values['status'] !== undefined) columns['status'] = statusOf(values['status'])
  const visibility = visibilityOf(values)
  if (visibility !== undefined) columns['visibility'] = visibility
  return columns
}

function numberOf(key: string, value: unknown): number | null {
  if (value === null) return null
  const number = typeof value === 'string' && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number))
    throw new DataRefused('ValueError', `invalid literal for an integer: ${asText(value).slice(0, 64)}`)
  if ((key === 'min_disk' || key === 'min_ram') && (number > most32 || number < -most32 - 1))
    throw invalid(`Image ${key} is out of range: it must fit into 32 bits.`)
  return number
}

function statusOf(value: unknown): ImageStatus {
  if (!isStatus(value)) throw invalid(`Invalid image status '${asText(value).slice(0, 64)}' for image.`)
  return value
}

/** `is_public` is the column of 2015: what was not public could have members, as what is shared now can. */
function visibilityOf(values: Values): Visibility | undefined {
  const { visibility, is_public: isPublic } = values
  if (visibility !== undefined) {
    if (!isVisibility(visibility)) throw invalid(`Invalid visibility '${asText(visibility).slice(0, 64)}' for image.`)
    return visibility
  }
  if (isPublic === undefined) return undefined
  return isPublic === true || isPublic === 1 ? 'public' : 'shared'
}

/** A time that a caller gives for a new row; absent and null are now. */
export function momentOf(value: unknown, nowMs: number): string {
  if (value === undefined || value === null) return timestamp(nowMs)
  const moment = typeof value === 'string' ? readMoment(value) : undefined
  if (moment === undefined) throw new DataRefused('InvalidParameterValue', 'A time must be given as ISO 8601.')
  return moment
}

export interface LocationValues {
  readonly id?: number
  readonly url: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly status: string
  readonly data_id: string | null
}

export function locationOf(value: unknown): LocationValues {
  if (holdsBeyondBmp(value)) throw invalid('Invalid location data: characters beyond the BMP are not supported.')
  const { id, url, metadata, status, data_id: dataId } = (typeof value === 'object' && value !== null ? value : {}) as Values
  if (typeof url !== 'string') throw invalid('A location needs a url.')
  return {
    ...(typeof id === 'number' ? { id } : {}),
    url,
    metadata: typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>) : {},
    status: typeof status === 'string' ? status : 'active',
    data_id: typeof dataId === 'string' ? dataId : null,
  }
}

export function propertiesOf(value: unknown): Record<string, string | null> {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new DataRefused('TypeError', 'properties must be an object')
  if (holdsBeyondBmp(value)) throw invalid('Invalid property data: characters beyond the BMP are not supported.')
  if (Object.keys(value).some((name) => name.length > mostNameChars))
    throw invalid(`Invalid property data: a name has at most ${mostNameChars} characters.`)
  return Object.fromEntries(
    Object.entries(value).map(([name, text]: [string, unknown]) => [
      name,
      text === null || text === undefined ? null : typeof text === 'string' ? text : JSON.stringify(text),
    ]),
  )
}
