import { readYaml, YamlRefused } from '../body/yaml.ts'
import { attributes } from './evaluate.ts'
import type { PolicyRule } from './index.ts'
import { type Check, parseCheck, PolicyRefused } from './parse.ts'

/** What is wrong with a policy, one line each: `policy.yaml:3: …`. */
export class PolicyInvalid extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'PolicyInvalid'
    this.problems = problems
  }
}

export interface Ruling {
  readonly checks: ReadonlyMap<string, Check>
  readonly rules: readonly (PolicyRule & { readonly source: string })[]
}

/** Defaults with the file's checks on top, parsed, every reference resolved, without cycles. Throws PolicyInvalid. */
export function compileRules(defaults: readonly PolicyRule[], fileText: string | undefined, file = 'policy.yaml'): Ruling {
  const problems: string[] = []
  const fileName = file.slice(file.lastIndexOf('/') + 1)
  const overrides = fileText === undefined ? new Map<string, Override>() : readOverrides(fileText, fileName, problems)
  const names = new Set(defaults.map((rule) => rule.name))
  if (names.size !== defaults.length) problems.push('two default rules have the same name')
  for (const [name, { source }] of overrides) {
    if (!names.has(name)) problems.push(`${source}: there is no rule '${name}'`)
  }

  const checks = new Map<string, Check>()
  const rules = defaults.map((rule) => {
    const override = overrides.get(rule.name)
    const effective = { ...rule, check: override?.check ?? rule.check, source: override?.source ?? 'default' }
    const where = override?.source ?? `rule '${rule.name}'`
    try {
      const check = parseCheck(effective.check)
      for (const problem of unknownNames(check, names)) problems.push(`${where}: ${problem}`)
      checks.set(rule.name, check)
    } catch (error) {
      if (!(error instanceof PolicyRefused)) throw error
      problems.push(`${where}: ${error.message}${error.column === undefined ? '' : ` (character ${error.column} of the check)`}`)
    }
    return effective
  })
  if (problems.length === 0) {
    const cycle = findCycle(checks)
    if (cycle !== undefined) problems.push(`the rules refer to each other in a circle: ${cycle.join(' → ')}`)
  }
  if (problems.length > 0) throw new PolicyInvalid(problems)
  return { checks, rules }
}

interface Override {
  readonly check: string
  readonly source: string
}

function readOverrides(text: string, fileName: string, problems: string[]): Map<string, Override> {
  const overrides = new Map<string, Override>()
  try {
    const { value, lineOf } = readYaml(text, { maxBytes: 256 * 1024 })
    if (value === null || value === undefined) return overrides
    if (typeof value !== 'object' || Array.isArray(value)) {
      problems.push(`${fileName}:1: expected a mapping of rule names to checks`)
      return overrides
    }
    for (const [name, check] of Object.entries(value)) {
      const source = `${fileName}:${lineOf([name]) ?? 1}`
      if (typeof check === 'string') overrides.set(name, { check, source })
      else if (Array.isArray(check))
        problems.push(`${source}: lists of lists are the old form of a check; write it as text with 'and' and 'or'`)
      else problems.push(`${source}: the check of '${name}' is not a text`)
    }
  } catch (error) {
    if (!(error instanceof YamlRefused)) throw error
    problems.push(`${fileName}:${error.line ?? 1}: ${error.message}`)
  }
  return overrides
}

function unknownNames(check: Check, names: ReadonlySet<string>): string[] {
  if (check.kind === 'and' || check.kind === 'or') return check.parts.flatMap((part) => unknownNames(part, names))
  if (check.kind === 'not') return unknownNames(check.part, names)
  if (check.kind === 'rule') return names.has(check.name) ? [] : [`it refers to 'rule:${check.name}', which does not exist`]
  if (check.kind !== 'match' || 'literal' in check.left || attributes.has(check.left.attribute)) return []
  return [`'${check.left.attribute}' is not an attribute of a caller; known are ${[...attributes].join(', ')}`]
}

function references(check: Check): string[] {
  if (check.kind === 'rule') return [check.name]
  if (check.kind === 'not') return references(check.part)
  return check.kind === 'and' || check.kind === 'or' ? check.parts.flatMap(references) : []
}

function findCycle(checks: ReadonlyMap<string, Check>): string[] | undefined {
  const done = new Set<string>()
  const visit = (name: string, path: string[]): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    const check = checks.get(name)
    if (done.has(name) || check === undefined) return undefined
    for (const next of references(check)) {
      const cycle = visit(next, [...path, name])
      if (cycle !== undefined) return cycle
    }
    done.add(name)
    return undefined
  }
  for (const name of checks.keys()) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}
