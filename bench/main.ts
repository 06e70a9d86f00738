import { benchmarks, record } from '@murmuration/bench'

const [name = '', ...options] = process.argv.slice(2)
const run = (benchmarks as Readonly<Record<string, (() => Promise<readonly string[]>) | undefined>>)[name]
if (run === undefined) {
  process.stderr.write(`usage: npm run bench -- <name> [--record]\n  ${Object.keys(benchmarks).join('\n  ')}\n`)
  process.exit(2)
}
const lines = await run()
for (const line of lines) process.stdout.write(`${line}\n`)
if (options.includes('--record')) await record(name, lines)
// Listeners and pools of the measured thing need no farewell.
process.exit(0)
