import { createTableDigest, type Cell, type RowCells, type TableSummary, type TransferSource, type TransferTable } from '@murmuration/data'
import { damaged } from './errors.ts'
import { limits } from './limits.ts'
import type { Facts } from './manifest.ts'

/** What the manifest says of a database; `tables` are known after the last row. */
export interface DatabaseFacts {
  readonly engine: string
  readonly migrations: readonly string[]
  readonly tables: readonly TableSummary[]
}

/**
 * A database as lines: first what it consists of, then the rows of each table (one a line, a JSON list) and, after each table, an
 * object with its count and digest. Says after the last line what went through it.
 */
export function databaseContent(source: TransferSource): {
  content: AsyncIterable<Uint8Array>
  readonly facts: () => DatabaseFacts & Facts
} {
  const tables: TableSummary[] = []
  const content = async function* (): AsyncGenerator<Uint8Array> {
    const { engine, migrations } = source
    yield Buffer.from(`${JSON.stringify({ engine, migrations, tables: source.tables })}\n`)
    for (const table of source.tables) {
      const digest = createTableDigest(table.name)
      for await (const rows of source.rows(table)) {
        yield Buffer.from(digest.add(rows))
      }
      const summary = digest.summary()
      tables.push(summary)
      yield Buffer.from(`${JSON.stringify(summary)}\n`)
    }
  }
  return { content: content(), facts: () => ({ engine: source.engine, migrations: source.migrations, tables }) }
}

/** Batches of rows that come out of a few chunks, whatever the rows' widths. */
const batchRows = 1_000
const batchBytes = 1024 * 1024

/** The other way round. Tables must be read wholly, in their order; `finish` then proves that nothing is left. */
export async function readDatabase(
  content: AsyncIterable<Uint8Array>,
): Promise<TransferSource & { finish(): Promise<readonly TableSummary[]> }> {
  const lines = linesOf(content)
  const next = async (): Promise<unknown> => {
    const { value } = await lines.next()
    if (value === undefined) throw damaged('a database that breaks off')
    try {
      return JSON.parse(value)
    } catch {
      throw damaged('a row that can not be read')
    }
  }
  const { engine, migrations, tables } = readShape(await next())
  const summaries: TableSummary[] = []

  async function* rows(table: TransferTable): AsyncGenerator<readonly RowCells[]> {
    if (tables[summaries.length]?.name !== table.name) throw new Error(`the table ${table.name} was asked for out of order`)
    const digest = createTableDigest(table.name)
    let batch: RowCells[] = []
    let bytes = 0
    for (;;) {
      const line = await next()
      if (Array.isArray(line)) {
        batch.push(checkRow(table, line))
        bytes += line.reduce<number>((sum, cell) => sum + (typeof cell === 'string' ? cell.length : 8), 0)
        if (batch.length < batchRows && bytes < batchBytes) continue
      }
      digest.add(batch)
      if (batch.length > 0) yield batch
      batch = []
      bytes = 0
      if (Array.isArray(line)) continue
      const summary = digest.summary()
      const { name, rows: count, digest: hex } = line as Partial<TableSummary>
      if (name !== summary.name || count !== summary.rows || hex !== summary.digest) throw damaged(`the table ${table.name}`)
      summaries.push(summary)
      return
    }
  }
  return {
    engine,
    migrations,
    tables,
    rows,
    async finish() {
      if (summaries.length !== tables.length || (await lines.next()).done !== true) throw damaged('a database with more than its tables')
      return summaries
    },
  }
}

async function* linesOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<string, undefined> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const piece of content) {
    let from = 0
    for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, from)) {
      held.push(piece.subarray(from, at))
      yield Buffer.concat(held).toString('utf8')
      held = []
      heldBytes = 0
      from = at + 1
    }
    held.push(piece.subarray(from))
    heldBytes += piece.length - from
    if (heldBytes > limits.rowBytes) throw damaged('a row that is too long')
  }
  if (heldBytes > 0) throw damaged('a database that breaks off')
  return undefined
}

const namePattern = /^[a-z_][a-z0-9_]{0,62}$/
const isName = (value: unknown): value is string => typeof value === 'string' && namePattern.test(value)
const areNames = (value: unknown, most: number): value is string[] =>
  Array.isArray(value) && value.length <= most && value.every(isName) && new Set(value).size === value.length

function readShape(value: unknown): Pick<TransferSource, 'engine' | 'migrations' | 'tables'> {
  const { engine, migrations, tables } = (value ?? {}) as Partial<Record<string, unknown>>
  const fine = isName(engine) && Array.isArray(migrations) && migrations.every((name) => typeof name === 'string') && Array.isArray(tables)
  if (!fine || tables.length > limits.tables) throw damaged('the head of a database')
  return { engine: engine as TransferSource['engine'], migrations, tables: tables.map(readTable) }
}

function readTable(value: unknown): TransferTable {
  const { name, columns, key, references, counter } = (value ?? {}) as Partial<TransferTable>
  const fine = isName(name) && areNames(columns, limits.columns) && areNames(key, limits.columns) && areNames(references, limits.tables)
  const counted = counter === undefined || (isName(counter?.column) && Number.isSafeInteger(counter.last))
  if (!fine || !counted || !key.every((column) => columns.includes(column))) throw damaged('a table of a database')
  return { name, columns, key, references, ...(counter === undefined ? {} : { counter: { column: counter.column, last: counter.last } }) }
}

const isCell = (value: unknown): value is Cell => value === null || typeof value === 'string' || typeof value === 'number'

function checkRow(table: TransferTable, row: readonly unknown[]): RowCells {
  if (row.length !== table.columns.length || !row.every(isCell)) throw damaged(`a row of ${table.name}`)
  return row
}
