import { parseArgs } from 'node:util'
import { hunt } from './mutants/hunt.ts'
import { mutants } from './mutants/list.ts'
import { range, runSeeds } from './pool.ts'
import { reportOf, summaryOf } from './report.ts'
import { isScenario, scenarioNames, scenarios, type ScenarioName } from './scenarios.ts'

const usage = `npm run simulate -- [options]
  --seeds N        how many seeds to run (default 100)
  --from S         the first of them (default 1)
  --seed S         one seed, with its story
  --twice          every seed twice; their traces have to be the same
  --scenario NAME  default fleet:
${scenarioNames.map((name) => `                     ${name.padEnd(8)} ${scenarios[name].about}`).join('\n')}
  --threads N      default 2
  --story N        lines of a story (default 60)
  --mutants [TEXT] take guards of the product away, one at a time (those whose name has the text), and tell which seed notices
`

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    twice: { type: 'boolean', default: false },
    scenario: { type: 'string', default: 'fleet' },
    threads: { type: 'string', default: '2' },
    story: { type: 'string', default: '60' },
    mutants: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
  strict: true,
})
/** Databases lie in memory: whoever interrupts must not leave them there. */
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

// Who reads no further (head) has seen enough.
process.stdout.on('error', () => interrupted.abort())
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const number = (text: string, name: string): number => {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value
  process.stderr.write(`--${name} wants a whole number, not ${JSON.stringify(text)}\n`)
  return process.exit(2)
}

if (values.help || !isScenario(values.scenario)) {
  say(usage)
  process.exitCode = values.help ? 0 : 2
} else if (values.mutants) process.exitCode = await huntAll(positionals)
else process.exitCode = await simulate(values.scenario)

async function simulate(scenario: ScenarioName): Promise<number> {
  const single = values.seed
  const from = number(single ?? values.from, single === undefined ? 'from' : 'seed')
  const count = single === undefined ? number(values.seeds, 'seeds') : 1
  const options = {
    scenario,
    threads: Math.min(number(values.threads, 'threads'), count),
    storyLines: number(values.story, 'story'),
    signal: interrupted.signal,
  }
  let ended = 0
  const outcomes = await runSeeds(range(from, count), {
    ...options,
    storyAlways: single !== undefined,
    onOutcome: (outcome) => {
      ended += 1
      if (outcome.violation !== undefined || single !== undefined) say(reportOf(outcome, scenario))
      else if (ended % 100 === 0) say(`${ended} of ${count} seeds`)
    },
  })
  let different = 0
  if (values.twice) {
    const again = await runSeeds(range(from, count), options)
    for (const [index, outcome] of again.entries())
      if (outcome.hash !== outcomes[index]!.hash) {
        different += 1
        say(`seed ${outcome.seed} gave two traces: ${outcomes[index]!.hash} and ${outcome.hash}`)
      }
  }
  say(summaryOf(outcomes))
  return outcomes.some((outcome) => outcome.violation !== undefined) || different > 0 ? 1 : 0
}

async function huntAll(names: readonly string[]): Promise<number> {
  const wanted = mutants.filter((mutant) => names.every((text) => mutant.name.includes(text)))
  let alive = 0
  for (const mutant of wanted) {
    if (interrupted.signal.aborted) return 1
    const { caught } = await hunt(mutant, {
      threads: 2,
      signal: interrupted.signal,
      from: number(values.from, 'from'),
      most: number(values.seeds, 'seeds'),
    })
    if (caught === undefined) alive += 1
    say(
      `${caught === undefined ? 'ALIVE ' : 'caught'}  ${mutant.name}  ${caught === undefined ? '' : `${caught.by}: ${caught.message.slice(0, 140)}`}`,
    )
  }
  say(`${wanted.length - alive} of ${wanted.length} mutants caught`)
  return alive === 0 ? 0 : 1
}
