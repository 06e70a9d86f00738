import { forbiddenKeys } from '@murmuration/http'
import { isVisibility, visibilities } from './visibility.ts'

export const diskFormats = ['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop'] as const
export const containerFormats = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'] as const

/** What a caller may write (reference image §1.4). */
export const writable = [
  'id',
  'name',
  'visibility',
  'protected',
  'os_hidden',
  'owner',
  'disk_format',
  'container_format',
  'min_disk',
  'min_ram',
  'tags',
] as const
export const readOnly = [
  'status',
  'checksum',
  'size',
  'virtual_size',
  'created_at',
  'updated_at',
  'os_hash_algo',
  'os_hash_value',
  'direct_url',
  'self',
  'file',
  'schema',
  'stores',
] as const
const reserved = ['location', 'locations', 'deleted', 'deleted_at'] as const

export const isWritable = (key: string): boolean => (writable as readonly string[]).includes(key)
export const isReadOnly = (key: string): boolean => (readOnly as readonly string[]).includes(key)
export const isReserved = (key: string): boolean => (reserved as readonly string[]).includes(key) || key.startsWith('os_glance')
export const isBase = (key: string): boolean => isWritable(key) || isReadOnly(key)

/** Internal properties of the original that callers may see; others that begin with `os_glance` are hidden. */
export const visibleInternal: ReadonlySet<string> = new Set([
  'os_glance_importing_to_stores',
  'os_glance_failed_import',
  'os_glance_import_task',
])

const uuid = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/
const mostChars = 255
const most32 = 2_147_483_647
const mostValueChars = 65_535

const shortText = (value: unknown): string | undefined =>
  value === null || (typeof value === 'string' && value.length <= mostChars)
    ? undefined
    : `must be a text of at most ${mostChars} characters, or null`
const boolean = (value: unknown): string | undefined => (typeof value === 'boolean' ? undefined : 'must be true or false')
const count = (value: unknown): string | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most32
    ? undefined
    : `must be a whole number from 0 to ${most32}`
const choice =
  (choices: readonly string[]) =>
  (value: unknown): string | undefined =>
    value === null || choices.includes(value as string) ? undefined : `must be null or one of ${choices.join(', ')}`

const checks: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  id: (value) => (typeof value === 'string' && uuid.test(value) ? undefined : 'must be a UUID'),
  name: shortText,
  owner: shortText,
  visibility: (value) => (isVisibility(value) ? undefined : `must be one of ${visibilities.join(', ')}`),
  protected: boolean,
  os_hidden: boolean,
  disk_format: choice(diskFormats),
  container_format: choice(containerFormats),
  min_disk: count,
  min_ram: count,
  tags: (value) =>
    Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag.length <= mostChars)
      ? undefined
      : `must be a list of texts of at most ${mostChars} characters`,
}

/** What no JSON body may hold (attacks 1) could as a property be neither shown nor sent. */
export const mayNameProperty = (key: string): boolean => !forbiddenKeys.has(key)

/** What is wrong with a value of an attribute or of an extra property; undefined when nothing is. */
export function attributeProblem(key: string, value: unknown): string | undefined {
  if (Object.hasOwn(checks, key)) return checks[key]!(value)
  if (key === '' || key.length > mostChars) return `a property name has 1 to ${mostChars} characters`
  if (!mayNameProperty(key)) return 'no property can be called so'
  if (typeof value !== 'string') return 'must be a text'
  return value.length > mostValueChars ? `must have at most ${mostValueChars} characters` : undefined
}
