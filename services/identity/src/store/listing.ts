import { keysetPage, type Page } from '@murmuration/data'
import type { SelectQueryBuilder } from 'kysely'
import { limits } from '../rules/limits.ts'

export interface PageWish {
  readonly limit: number | undefined
  readonly marker: string | undefined
}

/** One page by name, then id. Without a limit the whole list, up to a budget; `next` tells when there is more. */
export function pageOf<Row extends Record<string, unknown>>(
  // oxlint-disable-next-line typescript/no-explicit-any -- as the paging of packages/data takes it
  query: SelectQueryBuilder<any, any, Row>,
  wish: PageWish,
  columns: { sort: string; unique: string },
): Promise<Page<Row>> {
  return keysetPage(
    query,
    {
      limit: Math.min(wish.limit ?? limits.maxListed, limits.maxListed),
      ...(wish.marker === undefined ? {} : { marker: wish.marker }),
      sort: columns.sort === columns.unique ? [] : [{ key: 'sort', direction: 'asc' }],
    },
    { sort: columns.sort },
    columns.unique,
  )
}
