import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Secret } from '@murmuration/trust'
import { CommandFailed, exitCodes } from './exit.ts'

/** The only place of the command that writes to the person. Results go to stdout, everything else to stderr. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`)
export const tell = (line: string): void => void process.stderr.write(`${line}\n`)

/** Colours only for a person's terminal, and never with NO_COLOR. */
export const useColor = (): boolean => process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''

/**
 * A secret for one operation: from the named environment variable, else asked for on the terminal without echo.
 * Never from the command line, where every user of the machine could read it.
 */
export async function askSecret(what: string, variable: string): Promise<Secret> {
  const given = process.env[variable]
  const { Secret } = await import('@murmuration/trust')
  if (given !== undefined && given !== '') return new Secret(given)
  if (!process.stdin.isTTY) {
    throw new CommandFailed(
      exitCodes.usage,
      `The ${what.charAt(0).toLowerCase()}${what.slice(1)} is needed and there is no terminal to ask on.`,
      `Set ${variable} for this one command.`,
    )
  }
  let muted = false
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!muted) process.stderr.write(chunk)
      done()
    },
  })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  try {
    const answer = answerOf(lines, `${what}: `)
    muted = true
    const text = await answer
    if (text === '') throw new CommandFailed(exitCodes.usage, 'An empty password was given. Nothing was done.')
    return new Secret(text)
  } finally {
    lines.close()
    tell('')
  }
}

/** Asks before something is destroyed; without a terminal only `--yes` goes on. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw new CommandFailed(exitCodes.usage, `${question} There is no terminal to ask on.`, 'Add --yes.')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await answerOf(lines, `${question} [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailed(exitCodes.refused, 'Nothing was done.')
  } finally {
    lines.close()
  }
}

/** Rejects when there will be no answer: Ctrl-C, or the end of the input. Without that the command would end as if by a defect. */
export function answerOf(lines: Interface, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const nothing = (): void => reject(new CommandFailed(exitCodes.interrupted, 'No answer was given. Nothing was done.'))
    lines.once('SIGINT', nothing)
    lines.once('close', nothing)
    lines.question(question, resolve)
  })
}

/**
 * What is done when nobody can be told any more. A lab in the foreground goes on, since it has to end what it started; a command's
 * reader that has gone (`| head`) has what it wanted, and anything else (a full disk) must not look like success.
 */
export function onLostOutput(goesOn: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (goesOn) return
      if (error.code === 'EPIPE') process.exit(exitCodes.ok)
      if (stream === process.stdout) tell(`error: the output could not be written (${error.code ?? error.message}).`)
      process.exit(exitCodes.refused)
    })
  }
}
