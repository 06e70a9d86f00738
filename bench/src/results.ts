import { execFileSync } from 'node:child_process'
import { appendFile, readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../RESULTS.md', import.meta.url))

/** Appends a result with what it was measured on: a number without its machine says nothing. */
export async function record(name: string, lines: readonly string[]): Promise<void> {
  const head = (await readFile(file, 'utf8').catch(() => '')) === '' ? `${title}\n` : ''
  await appendFile(
    file,
    `${head}\n## ${name}, ${new Date().toISOString().slice(0, 10)}\n\n${machine()}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`,
  )
}

const title =
  '# Results of the benchmarks\n\nAppended by `npm run bench -- <name> --record`. Each compares with a limit measured in the same run.'

function machine(): string {
  const [cpu] = cpus()
  const commit = command('git', ['rev-parse', '--short', 'HEAD'])
  const wrk = command('wrk', ['--version']).split(' ').slice(0, 2).join(' ')
  return [
    `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release().split('-')[0]}`,
    `Node ${process.version}`,
    ...(wrk === '' ? [] : [wrk]),
    `commit ${commit}`,
  ].join(', ')
}

function command(name: string, args: readonly string[]): string {
  try {
    return execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch (error) {
    // wrk --version ends with 1.
    return ((error as { stdout?: string }).stdout ?? '').trim()
  }
}

export const ms = (value: number): string => `${value.toFixed(2)} ms`
export const percent = (part: number): string => `${(part * 100).toFixed(0)} %`
export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
