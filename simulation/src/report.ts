import type { SeedOutcome } from './outcome.ts'
import type { ScenarioName } from './scenarios.ts'

/** What somebody needs who sees a seed fail: what does not hold, what happened, and how to see it again. */
export function reportOf(outcome: SeedOutcome, scenario: ScenarioName): string {
  const { seed, violation, story = [], hash } = outcome
  const head =
    violation === undefined
      ? `seed ${seed} holds (trace ${hash})`
      : `seed ${seed} breaks the invariant ${violation.invariant}: ${violation.message}`
  return [head, ...story.map((line) => `  ${line}`), `replay: npm run simulate -- --scenario ${scenario} --seed ${seed}`, ''].join('\n')
}

export function summaryOf(outcomes: readonly SeedOutcome[]): string {
  const sum = (of: (outcome: SeedOutcome) => number): number => outcomes.reduce((total, outcome) => total + of(outcome), 0)
  const failed = outcomes.filter((outcome) => outcome.violation !== undefined)
  const answers = sum((outcome) => Object.values(outcome.answers).reduce((total, count) => total + count, 0))
  const accepted = sum((outcome) => outcome.answers['200'] ?? 0)
  return [
    `${outcomes.length - failed.length} of ${outcomes.length} seeds hold`,
    `${(sum((outcome) => outcome.virtualMs) / 3_600_000).toFixed(1)} simulated hours, ${sum((outcome) => outcome.events)} events, ${sum((outcome) => outcome.jobs)} operations, ${answers} requests (${accepted} accepted)`,
    ...(failed.length === 0 ? [] : [`seeds that do not hold: ${failed.map((outcome) => outcome.seed).join(', ')}`]),
  ].join('\n')
}
