import { mayNameProperty } from './attributes.ts'
import { readMoment } from './moments.ts'
import { memberStatuses, visibilityFilters } from './visibility.ts'

/** What a list of images was asked for, or why it can't be. */
export interface ListQuery {
  readonly limit: number
  readonly marker: string | undefined
  readonly sortKeys: readonly string[]
  readonly sortDirections: readonly string[]
  readonly memberStatus: string
  readonly filters: Readonly<Record<string, unknown>>
}

export class QueryRefused extends Error {
  readonly field: string
  constructor(field: string, message: string) {
    super(message)
    this.name = 'QueryRefused'
    this.field = field
  }
}

const limitDefault = 25
const limitMost = 1000
const parametersMost = 200
const sortKeysMost = 10
const sortable = ['name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at', 'updated_at']
const listed = new Set(['name', 'id', 'status', 'container_format', 'disk_format'])
const times = new Set(['created_at', 'updated_at'])
const numbers = new Set(['size', 'virtual_size', 'min_disk', 'min_ram'])

/** Reference image §1.5. Throws QueryRefused. */
export function readListQuery(query: URLSearchParams): ListQuery {
  if (query.size > parametersMost) throw new QueryRefused('query', `At most ${parametersMost} parameters are taken.`)
  const last = (name: string): string | undefined => query.getAll(name).at(-1)
  return {
    limit: limitOf(last('limit')),
    marker: markerOf(last('marker')),
    ...sortOf(query),
    memberStatus: oneOf('member_status', last('member_status') ?? 'accepted', memberStatuses),
    filters: filtersOf(query),
  }
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return limitDefault
  if (!/^\d{1,15}$/.test(text)) throw new QueryRefused('limit', 'limit must be a whole number that is not negative.')
  return Math.min(Number(text), limitMost)
}

function markerOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (text === '' || text.length > 36) throw new QueryRefused('marker', 'The marker is not the id of an image.')
  return text
}

function oneOf(field: string, value: string, choices: readonly string[]): string {
  if (!choices.includes(value)) throw new QueryRefused(field, `${field} must be one of ${choices.join(', ')}.`)
  return value
}

function sortOf(query: URLSearchParams): Pick<ListQuery, 'sortKeys' | 'sortDirections'> {
  const sort = query.getAll('sort').join(',')
  const keys = query.getAll('sort_key')
  const directions = query.getAll('sort_dir')
  if (sort === '' && keys.length === 0 && directions.length === 0) return { sortKeys: ['created_at'], sortDirections: ['desc'] }
  if (sort !== '') {
    if (keys.length > 0 || directions.length > 0)
      throw new QueryRefused('sort', 'Old and new sorting syntax can not be combined: give sort, or sort_key and sort_dir.')
    const pairs = sort.split(',', sortKeysMost + 1).map((part) => {
      const [key = '', direction = 'desc', ...more] = part.trim().split(':')
      if (more.length > 0) throw new QueryRefused('sort', "A sort key is 'name' or 'name:asc'.")
      return [sortKey(key.trim()), oneOf('sort direction', direction.trim(), ['asc', 'desc'])] as const
    })
    return limited(
      pairs.map(([key]) => key),
      pairs.map(([, direction]) => direction),
    )
  }
  const sortKeys = keys.length === 0 ? ['created_at'] : keys.map(sortKey)
  const given = directions.map((direction) => oneOf('sort_dir', direction, ['asc', 'desc']))
  if (given.length > 1 && given.length !== sortKeys.length)
    throw new QueryRefused('sort_dir', 'Number of sort dirs does not match the number of sort keys.')
  return limited(sortKeys, given.length === 0 ? ['desc'] : given)
}

function limited(sortKeys: readonly string[], sortDirections: readonly string[]) {
  if (sortKeys.length > sortKeysMost) throw new QueryRefused('sort', `At most ${sortKeysMost} sort keys are taken.`)
  if (new Set(sortKeys).size !== sortKeys.length) throw new QueryRefused('sort', 'A sort key is named twice.')
  return { sortKeys, sortDirections }
}

function sortKey(key: string): string {
  if (!sortable.includes(key)) throw new QueryRefused('sort', `Unsupported sort key. Acceptable values are: ${sortable.join(', ')}.`)
  return key
}

const notFilters = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status'])

function filtersOf(query: URLSearchParams): Record<string, unknown> {
  const filters: Record<string, unknown> = { deleted: false, os_hidden: false }
  const properties: Record<string, string> = {}
  for (const name of new Set(query.keys())) {
    if (notFilters.has(name)) continue
    const values = query.getAll(name)
    const value = values.at(-1) ?? ''
    if (name === 'changes-since') throw new QueryRefused(name, 'The filter changes-since was removed from version 2.')
    if (name === 'tag') filters['tags'] = values
    else if (name === 'visibility') filters['visibility'] = oneOf(name, value, visibilityFilters)
    else if (name === 'os_hidden' || name === 'protected') filters[name] = oneOf(name, value.toLowerCase(), ['true', 'false']) === 'true'
    else if (listed.has(name)) filters[name] = listOf(name, value)
    else if (times.has(name)) filters[name] = timeOf(name, value)
    else if (/_(?:min|max)$/.test(name) && numbers.has(name.slice(0, -4))) filters[name] = numberOf(name, value)
    else if (numbers.has(name)) filters[name] = numberOf(name, value)
    else if (['owner', 'checksum', 'os_hash_value', 'os_hash_algo'].includes(name)) filters[name] = value
    else if (name === 'deleted') throw new QueryRefused(name, 'Deleted images are not listed.')
    else if (!mayNameProperty(name)) throw new QueryRefused(name, `No image has a property that is called ${name}.`)
    else properties[name] = value
  }
  return { ...filters, properties }
}

function numberOf(name: string, value: string): number {
  if (!/^-?\d{1,15}$/.test(value)) throw new QueryRefused(name, `Unable to filter on ${name} with a value that is not a number.`)
  return Number(value)
}

/** `gt:2030-01-31T12:00:00Z`; the operator is checked where the condition is made. */
function timeOf(name: string, value: string): string {
  const time = /^(?:(gt|gte|lt|lte|eq|neq):)?(.*)$/s.exec(value)
  if (time === null || readMoment(time[2] ?? '') === undefined)
    throw new QueryRefused(name, `${name} takes a time like gt:2030-01-31T12:00:00Z, with gt, gte, lt, lte, eq or neq.`)
  return value
}

/** `in:a,b,"c,d"`, or one value; other words before a colon are refused, so that such a value must be quoted. */
function listOf(name: string, value: string): string | string[] {
  const at = value.indexOf(':')
  if (at === -1) return value
  const operator = value.slice(0, at)
  if (operator === 'eq') return value.slice(at + 1)
  if (operator !== 'in')
    throw new QueryRefused(name, `Unable to filter by unknown operator '${operator.slice(0, 32)}' (for a value with a colon: in:"…").`)
  return splitQuoted(name, value.slice(at + 1))
}

function splitQuoted(name: string, text: string): string[] {
  const values: string[] = []
  let value = ''
  let quoted = false
  let wasQuoted = false
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] as string
    if (quoted && sign === '\\' && at + 1 < text.length) value += text[(at += 1)] as string
    else if (sign === '"') {
      if (!quoted && (value !== '' || wasQuoted)) throw new QueryRefused(name, 'A quoted value stands alone between commas.')
      quoted = !quoted
      wasQuoted = true
    } else if (sign === ',' && !quoted) {
      values.push(value)
      value = ''
      wasQuoted = false
    } else if (wasQuoted && !quoted) throw new QueryRefused(name, 'A quoted value stands alone between commas.')
    else value += sign
  }
  if (quoted) throw new QueryRefused(name, 'A quotation mark is not closed.')
  return [...values, value]
}
