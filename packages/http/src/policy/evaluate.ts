import type { Identity } from '../identity.ts'
import type { Check, Template } from './parse.ts'

export type Target = Readonly<Record<string, unknown>>

/** One part of a check and how it came out: the leaves in the order in which they were asked. */
export interface Decision {
  readonly part: string
  readonly allowed: boolean
}

/** Checks by rule name; references were proven to exist and to have no cycle before. */
export type Checks = ReadonlyMap<string, Check>

/** Answers false for everything it does not know: an absent attribute, an absent member of the target, an unknown rule. */
export function evaluate(checks: Checks, name: string, identity: Identity, target: Target, decisions?: Decision[]): boolean {
  // Every rule is asked once, however often others refer to it.
  let answers: Map<string, boolean> | undefined

  const ask = (check: Check): boolean => {
    if (check.kind === 'and') return check.parts.every(ask)
    if (check.kind === 'or') return check.parts.some(ask)
    if (check.kind === 'not') return !ask(check.part)
    if (check.kind === 'rule') return rule(check.name)
    if (check.kind === 'role') {
      const role = fill(check.name, target)
      return note(check, role !== undefined && hasRole(identity, role))
    }
    if (check.kind === 'match') {
      const right = fill(check.right, target)
      const left = 'literal' in check.left ? check.left.literal : attributeOf(identity, check.left.attribute)
      return note(check, right !== undefined && left !== undefined && left === right)
    }
    return check.kind === 'always'
  }
  const note = (check: Check, allowed: boolean): boolean => {
    decisions?.push({ part: printCheck(check), allowed })
    return allowed
  }
  const rule = (name: string): boolean => {
    const known = answers?.get(name)
    if (known !== undefined) return known
    const check = checks.get(name)
    const allowed = check !== undefined && ask(check)
    ;(answers ??= new Map()).set(name, allowed)
    return allowed
  }
  const check = checks.get(name)
  return check !== undefined && ask(check)
}

/** Names of roles have no case. */
const hasRole = ({ roles }: Identity, wanted: string): boolean => {
  if (roles.includes(wanted)) return true
  const lower = wanted.toLowerCase()
  return roles.some((role) => role.toLowerCase() === lower)
}

/** `user_id`, `project_name`, … under the names that policy files use. Booleans and nothing are spelled as Python does. */
function attributeOf(identity: Identity, name: string): string | undefined {
  switch (name) {
    case 'user_id':
      return identity.userId
    case 'user_name':
      return identity.userName
    case 'user_domain_id':
      return identity.userDomainId
    case 'user_domain_name':
      return identity.userDomainName
    case 'project_id':
    case 'tenant_id':
    case 'tenant':
      return identity.projectId
    case 'project_name':
      return identity.projectName
    case 'project_domain_id':
      return identity.projectDomainId
    case 'project_domain_name':
      return identity.projectDomainName
    case 'domain_id':
      return identity.domainId
    case 'domain_name':
      return identity.domainName
    case 'system_scope':
      return identity.systemScope ? 'all' : 'None'
    case 'is_admin':
      return identity.roles.includes('admin') ? 'True' : 'False'
    default:
      return undefined
  }
}

/** Attributes that a check may name; others are refused when a policy is loaded. */
export const attributes: ReadonlySet<string> = new Set([
  'user_id',
  'user_name',
  'user_domain_id',
  'user_domain_name',
  'project_id',
  'tenant_id',
  'tenant',
  'project_name',
  'project_domain_id',
  'project_domain_name',
  'domain_id',
  'domain_name',
  'system_scope',
  'is_admin',
])

function fill(template: Template, target: Target): string | undefined {
  let text = ''
  for (const part of template) {
    if (typeof part === 'string') text += part
    else {
      const value = memberOf(target, part.target)
      if (value === undefined) return undefined
      text += value
    }
  }
  return text
}

/** `a.b` is the member of that very name, or else `b` in `a`. Own members only. */
function memberOf(target: Target, path: string): string | undefined {
  if (Object.hasOwn(target, path)) return spelled(target[path])
  let value: unknown = target
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return spelled(value)
}

function spelled(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return value === null ? 'None' : undefined
}

/** The check as text again, in the spelling of policy files. */
export function printCheck(check: Check): string {
  const inner = (part: Check): string => (part.kind === 'and' || part.kind === 'or' ? `(${printCheck(part)})` : printCheck(part))
  if (check.kind === 'always') return '@'
  if (check.kind === 'never') return '!'
  if (check.kind === 'rule') return `rule:${check.name}`
  if (check.kind === 'role') return `role:${printTemplate(check.name)}`
  if (check.kind === 'not') return `not ${inner(check.part)}`
  if (check.kind === 'match')
    return `${'literal' in check.left ? literal(check.left.literal) : check.left.attribute}:${printTemplate(check.right)}`
  return check.parts.map(inner).join(` ${check.kind} `)
}

const literal = (text: string): string => (/^(?:True|False|None|-?\d+(?:\.\d+)?)$/.test(text) ? text : quoted(text))
const quoted = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`)

function printTemplate(template: Template): string {
  const text = template.map((part) => (typeof part === 'string' ? part : `%(${part.target})s`)).join('')
  return /^[^\s()'"]*$/.test(text.replace(/%\([^)]*\)s/g, '')) && text !== '' ? text : quoted(text)
}
