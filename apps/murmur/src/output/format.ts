import { styleText } from 'node:util'
import Table from 'cli-table3'
import { stringify } from 'yaml'
import { CommandFailed, exitCodes } from '../exit.ts'

/** The formats of the field's own command lines (cliff). */
export const formats = ['table', 'json', 'yaml', 'value', 'csv'] as const
export type Format = (typeof formats)[number]

export interface OutputOptions {
  readonly format?: string
  /** Columns to keep, in this order; names as in the heading, case and `_`/`-`/space do not matter. */
  readonly column?: readonly string[]
  readonly sortColumn?: string
}

type Cell = string | number | boolean | null | undefined | object
export type Row = Readonly<Record<string, Cell>>

/** A list: one line a row. */
export function renderList(columns: readonly string[], rows: readonly Row[], options: OutputOptions, color: boolean): string {
  const format = formatOf(options)
  const chosen = chooseColumns(columns, options.column)
  const sorted = options.sortColumn === undefined ? rows : sortBy(rows, chooseColumns(columns, [options.sortColumn])[0] ?? '')
  const picked = sorted.map((row) => Object.fromEntries(chosen.map((name) => [name, row[name]])))
  switch (format) {
    case 'json':
      return JSON.stringify(picked, null, 2)
    case 'yaml':
      return stringify(picked).trimEnd()
    case 'csv':
      return [chosen, ...picked.map((row) => chosen.map((name) => text(row[name])))].map(csvLine).join('\n')
    case 'value':
      return picked.map((row) => chosen.map((name) => text(row[name])).join(' ')).join('\n')
    case 'table':
      return table(
        chosen,
        picked.map((row) => chosen.map((name) => paint(name, text(row[name]), color))),
      )
  }
}

/** One thing: one line a field. */
export function renderShow(fields: Row, options: OutputOptions, color: boolean): string {
  const format = formatOf(options)
  const names = chooseColumns(Object.keys(fields), options.column)
  const picked = Object.fromEntries(names.map((name) => [name, fields[name]]))
  switch (format) {
    case 'json':
      return JSON.stringify(picked, null, 2)
    case 'yaml':
      return stringify(picked).trimEnd()
    case 'value':
      return names.map((name) => text(picked[name])).join('\n')
    case 'csv':
      return [names, names.map((name) => text(picked[name]))].map(csvLine).join('\n')
    case 'table':
      return table(
        ['Field', 'Value'],
        names.map((name) => [name, paint(name, text(picked[name]), color)]),
      )
  }
}

function formatOf(options: OutputOptions): Format {
  const wanted = options.format ?? 'table'
  const format = formats.find((name) => name === wanted)
  if (format === undefined)
    throw new CommandFailed(exitCodes.usage, `-f ${wanted}: there is no such format.`, `Use one of ${formats.join(', ')}.`)
  return format
}

const canonical = (name: string): string => name.toLowerCase().replaceAll(/[_\s]/g, '-')

function chooseColumns(all: readonly string[], wanted: readonly string[] | undefined): readonly string[] {
  if (wanted === undefined || wanted.length === 0) return all
  return wanted.map((name) => {
    const found = all.find((column) => canonical(column) === canonical(name))
    if (found === undefined) throw new CommandFailed(exitCodes.usage, `-c ${name}: there is no such column.`, `Columns: ${all.join(', ')}.`)
    return found
  })
}

function sortBy(rows: readonly Row[], column: string): readonly Row[] {
  const key = (row: Row): string | number => {
    const value = row[column]
    return typeof value === 'number' ? value : text(value)
  }
  return rows.toSorted((a, b) => {
    const [left, right] = [key(a), key(b)]
    return typeof left === 'number' && typeof right === 'number' ? left - right : String(left).localeCompare(String(right))
  })
}

// Control characters from a site (an alarm text, a name) must not reach the terminal as commands.
const text = (value: Cell): string => {
  const raw = value === null || value === undefined ? '-' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return raw.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

const csvLine = (cells: readonly string[]): string =>
  cells.map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')

/** ASCII borders as the field's clients draw them: safe in any terminal and in a mail. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = {
    top: '-',
    'top-mid': '+',
    'top-left': '+',
    'top-right': '+',
    bottom: '-',
    'bottom-mid': '+',
    'bottom-left': '+',
    'bottom-right': '+',
  }
  const inner = { left: '|', 'left-mid': '+', mid: '-', 'mid-mid': '+', right: '|', 'right-mid': '+', middle: '|' }
  const drawn = new Table({ head: [...head], chars: { ...line, ...inner }, style: { head: [], border: [], compact: true } })
  drawn.push(...rows.map((row) => [...row]))
  return drawn.toString()
}

const good = new Set(['online', 'managed', 'complete', 'in-sync', 'OK', 'done', 'running'])
const bad = new Set(['offline', 'out-of-sync', 'critical', 'failed'])

function paint(column: string, value: string, color: boolean): string {
  if (!color || column === 'name' || column === 'id') return value
  if (good.has(value)) return styleText('green', value, { validateStream: false })
  if (bad.has(value) || value.endsWith('-failed')) return styleText('red', value, { validateStream: false })
  return value
}
