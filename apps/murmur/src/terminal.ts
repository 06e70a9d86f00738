import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Secret } from '@murmuration/trust'
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
    const answer = await new Promise<string>((resolve) => {
      lines.question(`${what}: `, resolve)
      muted = true
    })
    tell('')
    return new Secret(answer)
  } finally {
    lines.close()
  }
}

/** Asks before something is destroyed; without a terminal only `--yes` goes on. */
export async function confirm(question: string, yes: boolean): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw new CommandFailed(exitCodes.usage, `${question} There is no terminal to ask on.`, 'Add --yes.')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await new Promise<string>((resolve) => lines.question(`${question} [y/N] `, resolve))
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailed(exitCodes.refused, 'Nothing was done.')
  } finally {
    lines.close()
  }
}
