import type { SelectQueryBuilder } from 'kysely'

export interface PageRequest {
  /** 1 … maxLimit. */
  readonly limit: number
  /** The `next` of the page before. */
  readonly marker?: string
  /** Sort keys in order; the unique key is appended by `keysetPage`. */
  readonly sort: readonly { readonly key: string; readonly direction: 'asc' | 'desc' }[]
}

export interface Page<Row> {
  readonly rows: Row[]
  /** Opaque, absent on the last page. */
  readonly next?: string
}

/** A marker that this query did not make. Callers answer 400 naming `marker`. */
export class InvalidMarker extends Error {
  constructor() {
    super('The marker is not one that this list returned for the same sort order.')
    this.name = 'InvalidMarker'
  }
}

/**
 * One page by keyset: constant cost to the last page, stable under concurrent inserts. `columns` maps every allowed sort
 * key to its column; nulls sort first ascending on every engine. `unique` breaks ties.
 */
export declare function keysetPage<Row extends Record<string, unknown>>(
  query: SelectQueryBuilder<any, any, Row>,
  request: PageRequest,
  columns: Readonly<Record<string, string>>,
  unique: string,
): Promise<Page<Row>>
