import { errors } from '../errors.ts'
import { attributeProblem, isBase, isReadOnly, isReserved } from './attributes.ts'
import { holdsBeyondBmp } from './text.ts'

export const patchTypes = {
  '2.1': 'application/openstack-images-v2.1-json-patch',
  '2.0': 'application/openstack-images-v2.0-json-patch',
} as const
export type PatchForm = keyof typeof patchTypes

const operationsMost = 1_000
const verbs = ['add', 'remove', 'replace'] as const
type Verb = (typeof verbs)[number]

export interface Operation {
  readonly verb: Verb
  readonly key: string
  readonly value: unknown
}

export const formOf = (contentType: string | undefined): PatchForm | undefined => {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  return type === patchTypes['2.1'] ? '2.1' : type === patchTypes['2.0'] ? '2.0' : undefined
}

const refuse = (why: string) => errors.badRequest({ why })

/** The operations of a patch document, in order (reference image §1.6). Throws 400, and 403 for paths that nobody may write. */
export function readPatch(form: PatchForm, body: unknown): Operation[] {
  if (!Array.isArray(body)) throw refuse('Request body must be a JSON array of operation objects.')
  if (body.length > operationsMost) throw refuse(`A change holds at most ${operationsMost} operations.`)
  return body.map((raw: unknown) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw refuse('Operations must be JSON objects.')
    const [verb, path] = form === '2.1' ? verbOf21(raw as Record<string, unknown>) : verbOf20(raw as Record<string, unknown>)
    const value = (raw as Record<string, unknown>)['value']
    if (verb !== 'remove' && value === undefined) throw refuse(`Operation ${verb} needs a value.`)
    return { verb, key: keyOf(path), value }
  })
}

function verbOf21(raw: Record<string, unknown>): [Verb, unknown] {
  const verb = verbs.find((one) => one === raw['op'])
  if (verb === undefined) throw refuse(`Operations must be one of ${verbs.join(', ')}.`)
  return [verb, raw['path']]
}

function verbOf20(raw: Record<string, unknown>): [Verb, unknown] {
  const found = verbs.filter((verb) => Object.hasOwn(raw, verb))
  if (found.length !== 1) throw refuse(`Operation objects must contain exactly one member named ${verbs.join(', ')}.`)
  return [found[0]!, raw[found[0]!]]
}

function keyOf(path: unknown): string {
  const [key = '', ...more] = segmentsOf(path)
  if (key === 'locations') throw errors.locationsHidden()
  if (more.length > 0) throw refuse('A path names an attribute, nothing inside of it.')
  return key
}

function segmentsOf(path: unknown): string[] {
  if (typeof path !== 'string' || !path.startsWith('/')) throw refuse('A path must be a text that starts with "/".')
  const segments = path.slice(1).split('/')
  if (segments.includes('')) throw refuse('A path has no empty part and does not end in "/".')
  if (segments.some((segment) => /~(?![01])/.test(segment))) throw refuse('Only ~0 and ~1 are escapes of a path.')
  return segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export type LocationChange = { readonly add: unknown } | { readonly remove: number }

/**
 * What a patch does to the locations of an image, where it is about them (reference image §1.11). Undefined for any other, which has no
 * word about them.
 */
export function readLocationChange(form: PatchForm, body: unknown): LocationChange | undefined {
  if (!Array.isArray(body)) return undefined
  const operations = body.map((raw: unknown) => {
    if (typeof raw !== 'object' || raw === null) return undefined
    const members = raw as Record<string, unknown>
    const [verb, path] = form === '2.1' ? verbOf21(members) : verbOf20(members)
    const [key, ...more] = segmentsOf(path)
    return key === 'locations' ? { verb, place: more, value: members['value'] } : undefined
  })
  const [operation] = operations
  if (operations.every((one) => one === undefined)) return undefined
  if (operation === undefined || operations.length > 1) throw refuse('A change of a location stands alone in its request.')
  const { verb, place, value } = operation
  const [position, ...beyond] = place
  if (verb === 'replace' && position === undefined) {
    if (!Array.isArray(value)) throw refuse('The locations of an image are a list.')
    if (value.length === 0) throw errors.forbidden({ why: 'The locations of an image can not be taken away together.' })
    if (value.length > 1) throw refuse('An image is given one location; copies are made by an import.')
    return { add: value[0] as unknown }
  }
  if (verb === 'replace' || position === undefined || beyond.length > 0 || !/^(-|\d{1,4})$/.test(position))
    throw refuse('A location is added at /locations/- and removed at /locations/<position>.')
  if (verb === 'add') return { add: value }
  if (position === '-') throw refuse('Which location is removed is said by its position.')
  return { remove: Number(position) }
}

export interface Patchable {
  readonly attributes: Readonly<Record<string, unknown>>
  /** Without internal ones. */
  readonly properties: Readonly<Record<string, string>>
}

export interface Patched {
  /** Only those that were written. */
  readonly attributes: Readonly<Record<string, unknown>>
  /** Only those that were written: what others write at the same time stays. */
  readonly properties: Readonly<Record<string, string>>
  readonly removed: readonly string[]
  /** How many properties there are then. */
  readonly count: number
}

/** The image after all operations, or a refusal that names the first one that can't be done; nothing is half done. */
export function applyPatch(form: PatchForm, operations: readonly Operation[], image: Patchable): Patched {
  const attributes: Record<string, unknown> = {}
  const properties = new Map(Object.entries(image.properties))
  const touched = new Set<string>()
  for (const { verb, key, value } of operations) {
    if (isReadOnly(key) || key === 'id') throw errors.readOnlyAttribute({ field: key }, { field: key })
    if (isReserved(key)) throw errors.reservedAttribute({ field: key }, { field: key })
    if (holdsBeyondBmp(key) || holdsBeyondBmp(value)) throw errors.notText({}, { field: key })
    const problem = verb === 'remove' ? undefined : attributeProblem(key, value)
    if (problem !== undefined) throw errors.badField({ field: key, why: problem }, { field: key })
    if (isBase(key)) {
      if (verb === 'remove') throw errors.removeBase({ field: key }, { field: key })
      if (verb === 'add' && form === '2.0') throw errors.propertyExists({ field: key }, { field: key })
      attributes[key] = value
      continue
    }
    touched.add(key)
    if (verb === 'add' && form === '2.0' && properties.has(key)) throw errors.propertyExists({ field: key }, { field: key })
    if (verb !== 'add' && !properties.has(key)) throw errors.propertyMissing({ field: key }, { field: key })
    if (verb === 'remove') properties.delete(key)
    else properties.set(key, value as string)
  }
  const [written, removed] = [[...touched].filter((key) => properties.has(key)), [...touched].filter((key) => !properties.has(key))]
  return { attributes, properties: Object.fromEntries(written.map((key) => [key, properties.get(key)!])), removed, count: properties.size }
}
