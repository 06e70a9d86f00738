import { readMoment } from './moments.ts'
import { DataRefused } from './refusals.ts'
import { asText } from './text.ts'
import { visibilityFilters } from './visibility.ts'

/** Columns that a list may be sorted by. */
export const sortColumns = [
  'id',
  'name',
  'status',
  'container_format',
  'disk_format',
  'size',
  'virtual_size',
  'min_disk',
  'min_ram',
  'created_at',
  'updated_at',
] as const

const textColumns: ReadonlySet<string> = new Set([
  'id',
  'name',
  'status',
  'disk_format',
  'container_format',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'owner',
])
const numberColumns: ReadonlySet<string> = new Set(['size', 'virtual_size', 'min_disk', 'min_ram'])
const flagColumns: ReadonlySet<string> = new Set(['protected', 'os_hidden'])
const timeColumns: ReadonlySet<string> = new Set(['created_at', 'updated_at'])

const operators = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '!=' } as const
export type Operator = (typeof operators)[keyof typeof operators]

/** One condition on the rows of a list; all of them hold together. */
export type Condition =
  | { readonly kind: 'column'; readonly column: string; readonly values: readonly (string | number | null)[] }
  | { readonly kind: 'compare'; readonly column: string; readonly operator: Operator; readonly value: string | number }
  | { readonly kind: 'tag'; readonly value: string }
  | { readonly kind: 'property'; readonly name: string; readonly value: string }
  | { readonly kind: 'visibility'; readonly value: string }

export interface Filtered {
  readonly conditions: readonly Condition[]
  /** Deleted rows are asked for: markers and locations may be deleted ones. */
  readonly deleted: boolean
}

/** The filters of `image_get_all` (reference image §3.3). A filter of null says nothing, but for `checksum`. */
export function readFilters(filters: Readonly<Record<string, unknown>>): Filtered {
  const conditions: Condition[] = []
  let deleted = false
  for (const [name, value] of Object.entries(filters)) {
    if (value === undefined || (value === null && name !== 'checksum')) continue
    if (name === 'deleted') {
      const wanted = flagOf(name, value) === 1
      if (wanted) deleted = true
      else conditions.push({ kind: 'compare', column: 'status', operator: '!=', value: 'killed' })
      conditions.push({ kind: 'column', column: 'deleted', values: [wanted ? 1 : 0] })
    } else if (name === 'changes-since') {
      deleted = true
      conditions.push({ kind: 'compare', column: 'updated_at', operator: '>', value: timeOf(value) })
    } else if (name === 'tags') {
      for (const tag of Array.isArray(value) ? value : [value]) conditions.push({ kind: 'tag', value: asText(tag) })
    } else if (name === 'visibility') conditions.push({ kind: 'visibility', value: visibilityOf(value) })
    else if (name === 'properties' && typeof value === 'object' && !Array.isArray(value)) {
      for (const [property, text] of Object.entries(value as object))
        conditions.push({ kind: 'property', name: property, value: asText(text) })
    } else conditions.push(...conditionOf(name, value))
  }
  return { conditions, deleted }
}

function conditionOf(name: string, value: unknown): Condition[] {
  const bound = /^(.+)_(min|max)$/.exec(name)
  if (bound !== null && (numberColumns.has(bound[1]!) || timeColumns.has(bound[1]!) || textColumns.has(bound[1]!)))
    return [{ kind: 'compare', column: bound[1]!, operator: bound[2] === 'min' ? '>=' : '<=', value: boundOf(bound[1]!, name, value) }]
  if (timeColumns.has(name)) return [{ kind: 'compare', column: name, ...comparisonOf(value) }]
  if (textColumns.has(name) || numberColumns.has(name) || flagColumns.has(name)) {
    const values = Array.isArray(value) ? value : [value]
    return [{ kind: 'column', column: name, values: values.map((one: unknown) => columnValue(name, one)) }]
  }
  return [{ kind: 'property', name, value: typeof value === 'string' ? value : JSON.stringify(value) }]
}

function columnValue(column: string, value: unknown): string | number | null {
  if (value === null) return null
  if (flagColumns.has(column)) return flagOf(column, value)
  if (!numberColumns.has(column)) return asText(value)
  const number = typeof value === 'number' ? value : /^-?\d{1,15}$/.test(asText(value)) ? Number(value) : undefined
  if (number === undefined)
    throw new DataRefused('InvalidFilterRangeValue', `Unable to filter on ${column}: it is compared with whole numbers.`)
  return number
}

/** Neither is what is neither: a filter that was not understood would let rows through. */
function flagOf(name: string, value: unknown): 0 | 1 {
  if (value === true || value === 1 || value === 'true' || value === 'True') return 1
  if (value === false || value === 0 || value === 'false' || value === 'False') return 0
  throw new DataRefused('Invalid', `Unable to filter on ${name}: it is true or false.`)
}

function visibilityOf(value: unknown): string {
  const wanted = visibilityFilters.find((one) => one === value)
  if (wanted === undefined)
    throw new DataRefused('Invalid', `Unable to filter on visibility: it is one of ${visibilityFilters.join(', ')}.`)
  return wanted
}

function boundOf(column: string, name: string, value: unknown): number | string {
  if (!/^-?\d{1,15}$/.test(asText(value)))
    throw new DataRefused('InvalidFilterRangeValue', `Unable to filter on a range with a non-numeric value: ${name}.`)
  return numberColumns.has(column) ? Number(value) : asText(value)
}

function comparisonOf(value: unknown): { operator: Operator; value: string } {
  const text = asText(value)
  const prefix = /^([a-z]+):(.*)$/s.exec(text)
  const operator = prefix === null ? '=' : operators[prefix[1] as keyof typeof operators]
  if (operator === undefined)
    throw new DataRefused(
      'InvalidFilterOperatorValue',
      `Unable to filter by '${prefix?.[1]}': use one of ${Object.keys(operators).join(', ')}.`,
    )
  return { operator, value: timeOf(prefix === null ? text : prefix[2]) }
}

function timeOf(value: unknown): string {
  const moment = typeof value === 'string' ? readMoment(value) : undefined
  if (moment === undefined) throw new DataRefused('InvalidParameterValue', 'Invalid time format: use ISO 8601, like 2030-01-31T12:00:00Z.')
  return moment
}
