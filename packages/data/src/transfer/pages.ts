import { expressionBuilder, type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely'
import type { Cell, RowCells, TransferTable } from './source.ts'

/** A page is grown or shrunk until it is about this large, so that memory depends neither on the table nor on its widest rows. */
const pageBytes = 1024 * 1024
const firstPageRows = 16
const longestPageRows = 2_000

type Loose = Kysely<Record<string, Record<string, unknown>>>
type Builder = ExpressionBuilder<Record<string, Record<string, unknown>>, string>

/** Every row of a table in the order of its key, page after page: each costs the same, and none depends on an open cursor. */
export async function* readPages(query: Kysely<unknown>, table: TransferTable): AsyncGenerator<readonly RowCells[]> {
  const place = table.key.map((column) => table.columns.indexOf(column))
  let limit = firstPageRows
  let last: RowCells | undefined
  for (;;) {
    let page = (query as Loose).selectFrom(table.name).select([...table.columns])
    if (last !== undefined)
      page = page.where(
        beyond(
          table.key,
          place.map((at) => last?.[at] ?? null),
        ),
      )
    for (const column of table.key) page = page.orderBy(column)
    const found = await page.limit(limit).execute()
    const rows = found.map((row) => table.columns.map((column) => row[column] as Cell))
    if (rows.length > 0) yield rows
    if (rows.length < limit) return
    last = rows.at(-1)
    const bytes = rows.reduce((sum, row) => sum + row.reduce<number>((width, cell) => width + widthOf(cell), 0), 0)
    const fitting = Math.floor((pageBytes / bytes) * rows.length)
    limit = Math.max(1, Math.min(longestPageRows, limit * 4, fitting))
  }
}

/** About what a cell takes as text. */
const widthOf = (cell: Cell): number => (typeof cell === 'string' ? cell.length + 3 : 8)

/**
 * After `values` in the order of the key. The first condition says nothing new, but with it an engine enters its index where the page
 * begins instead of walking there from the start.
 */
function beyond(key: readonly string[], values: readonly Cell[]): Expression<SqlBool> {
  const eb = expressionBuilder() as unknown as Builder
  const steps = key.map((column, index) =>
    eb.and([...key.slice(0, index).map((before, at) => eb(before, '=', values[at])), eb(column, '>', values[index])]),
  )
  return key.length === 1 ? eb.and(steps) : eb.and([eb(key[0] as string, '>=', values[0]), eb.or(steps)])
}
