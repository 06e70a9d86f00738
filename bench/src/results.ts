import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../RESULTS.md', import.meta.url))

/** Writes a result in the place of the one before, with what it was measured on: a number without its machine says nothing. */
export async function record(name: string, lines: readonly string[]): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => title)
  const [head = title, ...sections] = text.split(/\n+(?=## )/)
  const section = `## ${name}, ${new Date().toISOString().slice(0, 10)}\n\n${machine()}\n\n${lines.map((line) => `- ${line}`).join('\n')}`
  const kept = sections.map((one) => one.trim()).filter((one) => !one.startsWith(`## ${name},`))
  await writeFile(file, `${[head.trim(), ...kept, section].join('\n\n')}\n`)
}

const title = `# Results of the benchmarks

The latest of each; every one compares with a limit that was measured in the same run. Again, with the young generation that a
site's process has (\`start\` starts a site as an operator does, and needs no option):
\`node --max-semi-space-size=4 bench/main.ts <name> --record\``

function machine(): string {
  const [cpu] = cpus()
  const commit = command('git', ['rev-parse', '--short', 'HEAD'])
  const wrk = command('wrk', ['--version']).split(' ').slice(0, 2).join(' ')
  return [
    `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release().split('-')[0]}`,
    `Node ${[process.version, ...process.execArgv].join(' ')}`,
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
