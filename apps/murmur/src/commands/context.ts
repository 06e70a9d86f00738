import type { World } from '@murmuration/world'
import type { Connection } from '../api/connection.ts'
import { Unreachable } from '../api/unreachable.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { renderList, renderShow, type OutputOptions, type Row } from '../output/format.ts'
import { print, tell, useColor } from '../terminal.ts'

/** What every command gets. */
export interface Context {
  readonly world: World
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Options that all printing commands share. */
export interface CommonOptions {
  readonly format?: string
  readonly column?: string[]
  readonly sortColumn?: string
  readonly watch?: boolean
  readonly wait?: boolean
  readonly timeout?: string
  readonly yes?: boolean
}

/** Loaded for those commands only that speak to an API. */
export async function connection(context: Context): Promise<Connection> {
  const { connect } = await import('../api/connection.ts')
  return connect(context.world, context.environment)
}

export const outputOf = (options: CommonOptions): OutputOptions => ({
  ...(options.format === undefined ? {} : { format: options.format }),
  ...(options.column === undefined ? {} : { column: options.column }),
  ...(options.sortColumn === undefined ? {} : { sortColumn: options.sortColumn }),
})

export const printList = (columns: readonly string[], rows: readonly Row[], options: CommonOptions): void =>
  print(renderList(columns, rows, outputOf(options), useColor()))
export const printShow = (fields: Row, options: CommonOptions): void => print(renderShow(fields, outputOf(options), useColor()))

/**
 * Prints once, or with `--watch` again every two seconds until interrupted: an API that was there once may be away, which is said
 * when it begins.
 */
export async function watching(context: Context, options: CommonOptions, once: () => Promise<void>): Promise<void> {
  await once()
  let away = false
  while (options.watch === true) {
    await context.world.timers.sleep(2_000)
    if (process.stdout.isTTY && !away) process.stdout.write('\u001b[H\u001b[2J')
    try {
      await once()
      away = false
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error
      if (!away) tell(`${error.message} (asked again every 2 s)`)
      away = true
    }
  }
}

/** `--timeout` in seconds. */
export function timeoutMsOf(options: CommonOptions, defaultSeconds: number): number {
  const seconds = options.timeout === undefined ? defaultSeconds : Number(options.timeout)
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new CommandFailed(exitCodes.usage, `--timeout ${options.timeout}: give a number of seconds.`)
  return seconds * 1_000
}

export async function readLocalFile(context: Context, path: string): Promise<Uint8Array> {
  let data: Uint8Array | undefined
  try {
    data = await context.world.files.read(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why = code === 'EISDIR' ? 'it is a folder' : (code ?? String(error))
    throw new CommandFailed(exitCodes.usage, `${path} can not be read: ${why}.`, undefined, { cause: error })
  }
  if (data === undefined) throw new CommandFailed(exitCodes.usage, `${path}: there is no such file.`)
  return data
}

/** A name or id as a piece of a path. An empty one (a script's unset variable) would name the list instead. */
export function segmentOf(ref: string): string {
  if (ref.trim() === '') throw new CommandFailed(exitCodes.usage, 'The name or id is empty.')
  return encodeURIComponent(ref)
}

/** A count that was given as an option. */
export function countOf(option: string, text: string): number {
  if (!/^-?[0-9]{1,9}$/.test(text)) throw new CommandFailed(exitCodes.usage, `${option} ${text}: give a whole number.`)
  return Number(text)
}
