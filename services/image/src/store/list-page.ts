import { keysetPage, markerAfter, type SortKey } from '@murmuration/data'
import { DataRefused } from '../rules/refusals.ts'

/** What every list of the registry takes besides its filters; the marker is the name or id of the last one that the caller has. */
export interface PageWanted {
  readonly marker?: string | null
  readonly limit?: number | null
}

/** When no limit is given: all. */
const all = 1_000_000_000

/** Rows of a page. The registry's callers are programs of ours, and yet what comes over the wire is looked at. */
export function limitOf(wanted: number | null | undefined): number {
  const limit = wanted ?? all
  if (!Number.isSafeInteger(limit) || limit < 0) throw new DataRefused('Invalid', 'limit must be a whole number that is not negative.')
  return limit
}

/** One page of a query, in the order `sort`, after the row that `marked` finds for the marker. */
export async function listPage<Row extends { readonly id: number | string }>(
  query: Parameters<typeof keysetPage<Row>>[0],
  wanted: PageWanted,
  order: { readonly sort: readonly SortKey[]; readonly columns: Readonly<Record<string, string>> },
  marked: (marker: string) => Promise<object>,
): Promise<readonly Row[]> {
  const { sort, columns } = order
  const limit = limitOf(wanted.limit)
  let marker: string | undefined
  if (typeof wanted.marker === 'string') {
    const row = (await marked(wanted.marker)) as Readonly<Record<string, string | number | null>>
    marker = markerAfter(sort, columns, 'id', (column) => row[column] ?? null)
  }
  if (limit === 0) return []
  const request = { limit, sort, ...(marker === undefined ? {} : { marker }) }
  return (await keysetPage<Row>(query, request, columns, 'id', ['created_at', 'updated_at'])).rows
}
