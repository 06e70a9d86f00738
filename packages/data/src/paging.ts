import { expressionBuilder, type ExpressionBuilder, type Expression, type SelectQueryBuilder, type SqlBool } from 'kysely'
import { DatabaseError } from './errors.ts'

export interface SortKey {
  readonly key: string
  readonly direction: 'asc' | 'desc'
}

export interface PageRequest {
  /** 1 … maxLimit. */
  readonly limit: number
  /** The `next` of the page before. */
  readonly marker?: string | undefined
  /** Sort keys in order; the unique key is appended by `keysetPage`. */
  readonly sort: readonly SortKey[]
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

type Value = string | number | null
interface Term {
  readonly key: string
  readonly column: string
  readonly descending: boolean
  readonly nullable: boolean
}
/* oxlint-disable typescript/no-explicit-any -- the query's tables are the caller's; only its rows have a type here */
type AnyBuilder = ExpressionBuilder<any, any>
type AnyQuery<Row> = SelectQueryBuilder<any, any, Row>
/* oxlint-enable typescript/no-explicit-any */

const longestMarker = 8192
const alias = (index: number): string => `__sort_${index}`

function termsOf(
  sort: readonly SortKey[],
  columns: Readonly<Record<string, string>>,
  unique: string,
  neverNull: readonly string[] = [],
): Term[] {
  const terms: Term[] = []
  for (const { key, direction } of sort) {
    if (!Object.hasOwn(columns, key)) throw new RangeError(`The list can't be sorted by ${JSON.stringify(key)}.`)
    const column = columns[key] as string
    const nullable = column !== unique && !neverNull.includes(column)
    if (!terms.some((term) => term.column === column)) terms.push({ key, column, descending: direction === 'desc', nullable })
  }
  // What follows the unique column can't matter any more.
  const at = terms.findIndex((term) => term.column === unique)
  if (at >= 0) return terms.slice(0, at + 1)
  return [...terms, { key: '', column: unique, descending: terms.at(-1)?.descending ?? false, nullable: false }]
}

const sortText = (terms: readonly Term[]): string => terms.map((term) => `${term.descending ? '-' : '+'}${term.key}`).join(',')

const writeMarker = (terms: readonly Term[], values: readonly Value[]): string =>
  Buffer.from(JSON.stringify([sortText(terms), ...values])).toString('base64url')

function readMarker(marker: string, terms: readonly Term[]): Value[] {
  if (marker.length > longestMarker) throw new InvalidMarker()
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(marker, 'base64url').toString('utf8'))
  } catch {
    throw new InvalidMarker()
  }
  if (!Array.isArray(parsed) || parsed.length !== terms.length + 1 || parsed[0] !== sortText(terms)) throw new InvalidMarker()
  const values: unknown[] = parsed.slice(1)
  const fine = values.every((value) => value === null || typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)))
  if (!fine || values.at(-1) === null) throw new InvalidMarker()
  return values as Value[]
}

const never = (eb: AnyBuilder): Expression<SqlBool> => eb(eb.val(1), '=', eb.val(0))

/** Null counts as smaller than everything. */
function beyond(eb: AnyBuilder, { column, descending, nullable }: Term, value: Value): Expression<SqlBool> {
  if (!descending) return value === null ? eb(column, 'is not', null) : eb(column, '>', value)
  if (value === null) return never(eb)
  return nullable ? eb.or([eb(column, '<', value), eb(column, 'is', null)]) : eb(column, '<', value)
}

const same = (eb: AnyBuilder, term: Term, value: Value): Expression<SqlBool> =>
  value === null ? eb(term.column, 'is', null) : eb(term.column, '=', value)

/** After the marker's row: beyond it in the first key, or the same there and beyond it in the second, and so on. */
function after(terms: readonly Term[], values: readonly Value[]): Expression<SqlBool> {
  const eb = expressionBuilder() as AnyBuilder
  const anyOf = eb.or(
    terms.map((term, index) =>
      eb.and([
        ...terms.slice(0, index).map((before, at) => same(eb, before, values[at] as Value)),
        beyond(eb, term, values[index] as Value),
      ]),
    ),
  )
  const [first] = terms
  const value = values[0] as Value
  // It follows from the rest, but engines find their place in an index by a bound only: without one they read all that stands before the page.
  if (first === undefined || terms.length === 1 || value === null || (first.descending && first.nullable)) return anyOf
  return eb.and([eb(first.column, first.descending ? '<=' : '>=', value), anyOf])
}

/**
 * One page by keyset: constant cost to the last page, stable under concurrent inserts. `columns` maps every allowed sort
 * key to its column; nulls sort first ascending on every engine. `unique` (a column that is never null) breaks ties. The cost is constant for
 * orders that begin ascending, or with a column of `neverNull`: where nulls may stand at the end, no bound says where they are.
 *
 * Throws InvalidMarker for a marker made by hand or for another sort order, RangeError for a key that is not in `columns`.
 */
export async function keysetPage<Row extends Record<string, unknown>>(
  query: AnyQuery<Row>,
  request: PageRequest,
  columns: Readonly<Record<string, string>>,
  unique: string,
  neverNull: readonly string[] = [],
): Promise<Page<Row>> {
  if (!Number.isSafeInteger(request.limit) || request.limit < 1) throw new RangeError('The limit of a page must be at least 1.')
  const terms = termsOf(request.sort, columns, unique, neverNull)
  // Sort values come along under names of our own: the caller may have renamed or left out its columns.
  let paged = query.select(terms.map((term, index) => `${term.column} as ${alias(index)}`) as never) as AnyQuery<Row>
  if (request.marker !== undefined) paged = paged.where(after(terms, readMarker(request.marker, terms)))
  for (const term of terms) {
    paged = paged.orderBy(term.column, (order) => {
      // PostgreSQL reads an index backwards only where nulls need no other place.
      if (!term.nullable) return term.descending ? order.desc() : order.asc()
      return term.descending ? order.desc().nullsLast() : order.asc().nullsFirst()
    })
  }
  let rows: Row[]
  try {
    rows = await paged.limit(request.limit + 1).execute()
  } catch (error) {
    // A forged marker may hold text where the column holds numbers.
    if (request.marker !== undefined && error instanceof DatabaseError && error.kind === 'check') throw new InvalidMarker()
    throw error
  }
  const more = rows.length > request.limit
  const page = rows.slice(0, request.limit)
  const last = page.at(-1)
  const next =
    more && last
      ? writeMarker(
          terms,
          terms.map((_, index) => last[alias(index)] as Value),
        )
      : undefined
  for (const row of page) for (const index of terms.keys()) delete (row as Record<string, unknown>)[alias(index)]
  return next === undefined ? { rows: page } : { rows: page, next }
}

/** The marker of a row that the caller knows (OpenStack's markers are ids): `values` by sort key, `unique` last. */
export function markerAfter(
  sort: readonly SortKey[],
  columns: Readonly<Record<string, string>>,
  unique: string,
  valueOf: (column: string) => Value,
): string {
  const terms = termsOf(sort, columns, unique)
  return writeMarker(
    terms,
    terms.map((term) => valueOf(term.column)),
  )
}
