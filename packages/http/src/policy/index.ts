import type { World } from '@murmuration/world'
import type { Identity } from '../identity.ts'
import { type Decision, evaluate } from './evaluate.ts'
import { compileRules, PolicyInvalid, type Ruling } from './rules.ts'

export { parseCheck, PolicyRefused } from './parse.ts'
export { PolicyInvalid } from './rules.ts'
export type { Decision } from './evaluate.ts'

export interface PolicyRule {
  readonly name: string
  /** oslo.policy language: `role:admin and project_name:admin or rule:other`, `@`, `!`, `not`, parentheses, `%(target.x)s`. */
  readonly check: string
  readonly operations: readonly { readonly method: string; readonly path: string }[]
  readonly description: string
}

/** Deny by default: an unknown rule name is an error at start, never an allowance. */
export interface Policy {
  readonly rules: readonly PolicyRule[]
  allows(rule: string, identity: Identity, target?: Readonly<Record<string, unknown>>): boolean
}

/** What `murmur policy list|check` shows besides. */
export interface OperatorPolicy extends Policy {
  /** Every rule with the check in force and where it comes from: `default`, or `policy.yaml:<line>`. */
  effective(): readonly (PolicyRule & { readonly source: string })[]
  /** The answer, and the parts that were asked on the way to it, in order. */
  explain(
    rule: string,
    identity: Identity,
    target?: Readonly<Record<string, unknown>>,
  ): { allowed: boolean; decisions: readonly Decision[] }
  /** Ends the watching of the file. */
  close(): void
}

const pollMs = 2000

/**
 * Defaults in code; an operator's `policy.yaml` (rule name → check string) on top, read again when it changes.
 * A file with an unknown rule or a check that does not parse is refused with its line; the last good one stays in force.
 * At the start there is no last good one: a bad file rejects with PolicyInvalid, since the defaults may allow what it forbids.
 */
export async function createPolicy(
  world: World,
  defaults: readonly PolicyRule[],
  options: { file?: string } = {},
): Promise<OperatorPolicy> {
  const { file } = options
  let inForce = file === undefined ? undefined : await readText(world, file)
  let ruling: Ruling = compileRules(defaults, inForce, file)
  let seen = inForce
  let closed = false

  const look = async (path: string): Promise<void> => {
    const text = await readText(world, path)
    // Taken only when it reads the same twice: an editor may be half way through writing it.
    const settled = text === seen
    seen = text
    if (!settled || text === inForce) return
    inForce = text
    try {
      ruling = compileRules(defaults, text, path)
      world.log.info('the policy file is in force', {
        file: path,
        overrides: ruling.rules.filter((rule) => rule.source !== 'default').length,
      })
    } catch (error) {
      if (!(error instanceof PolicyInvalid)) throw error
      world.log.error('the policy file is refused, the last good one stays in force', { file: path, problems: error.message })
    }
  }
  const watch = (path: string): void => {
    world.timers.after(pollMs, () => {
      if (closed) return
      look(path)
        .catch((error: unknown) => world.log.error('the policy file can not be read', { file: path, error: String(error) }))
        .finally(() => watch(path))
    })
  }
  if (file !== undefined) watch(file)

  return {
    rules: defaults,
    allows: (rule, identity, target = {}) => evaluate(ruling.checks, rule, identity, target),
    effective: () => ruling.rules,
    explain(rule, identity, target = {}) {
      const decisions: Decision[] = []
      return { allowed: evaluate(ruling.checks, rule, identity, target, decisions), decisions }
    },
    close: () => {
      closed = true
    },
  }
}

async function readText(world: World, file: string): Promise<string | undefined> {
  const bytes = await world.files.read(file)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
}
