import { ApiError } from './errors.ts'

export interface PageQuery {
  readonly limit?: number | string | undefined
  readonly marker?: string | undefined
  readonly sort?: string | undefined
  readonly sort_key?: string | undefined
  readonly sort_dir?: string | undefined
}

export interface PageWanted {
  readonly limit: number
  readonly marker?: string
  readonly sort: readonly { readonly key: string; readonly direction: 'asc' | 'desc' }[]
}

/**
 * `limit`, `marker`, and `sort=name:desc,id` (or `sort_key` and `sort_dir`) as `keysetPage` wants them. Refuses (400, naming the parameter) limits
 * outside of 1 … maxLimit and keys that are not `sortable` (attacks 38): sorting by anything else would read the whole table.
 */
export function readPage(query: PageQuery, options: { sortable: readonly string[]; maxLimit?: number; defaultLimit?: number }): PageWanted {
  const maxLimit = options.maxLimit ?? 1000
  const limit = query.limit === undefined ? (options.defaultLimit ?? maxLimit) : Number(query.limit)
  if (!/^\d{1,9}$/.test(String(query.limit ?? limit)) || limit < 1 || limit > maxLimit) {
    throw refuse('limit', `limit must be a whole number from 1 to ${maxLimit}.`)
  }
  const { marker } = query
  if (marker !== undefined && (marker === '' || marker.length > 1024))
    throw refuse('marker', 'The marker is not one that this list returned.')
  const text = query.sort ?? (query.sort_key === undefined ? '' : `${query.sort_key}:${query.sort_dir ?? 'asc'}`)
  const sort = text === '' ? [] : text.split(',', 9).map((part) => sortKey(part, options.sortable))
  if (sort.length > 8) throw refuse('sort', 'At most 8 sort keys are allowed.')
  if (new Set(sort.map(({ key }) => key)).size !== sort.length) throw refuse('sort', 'A sort key is named twice.')
  return { limit, ...(marker === undefined ? {} : { marker }), sort }
}

function sortKey(part: string, sortable: readonly string[]): PageWanted['sort'][number] {
  const [key = '', direction = 'asc', ...more] = part.trim().split(':')
  if (!sortable.includes(key))
    throw refuse('sort', `'${key.slice(0, 64)}' is not a sort key of this list. Sort keys are ${sortable.join(', ')}.`)
  if (more.length > 0 || (direction !== 'asc' && direction !== 'desc'))
    throw refuse('sort', "The direction of a sort key is 'asc' or 'desc'.")
  return { key, direction }
}

const refuse = (field: string, message: string): ApiError => new ApiError(400, 'invalidInput', message, { field })
