import { json } from '@murmuration/data'
import { errors } from '../errors.ts'
import { limits } from '../rules/limits.ts'
import type { Extra, Options } from '../store/schema.ts'

/** The options of a row, with known names only. */
export const options = (row: { options: string }): Options => json.read<Options>(row.options)
export const extra = (row: { extra: string }): Extra => json.read<Extra>(row.extra)

/** Members that a caller may not set through the bag of additional ones. */
const reserved = new Set(['id', 'links', 'password', 'original_password', 'options', 'password_expires_at'])

/** What a body has beyond the known members; Keystone keeps and returns it. Null removes a member on update. */
export function extraOf(body: Readonly<Record<string, unknown>>, known: readonly string[], before: Extra = {}): string {
  const merged: Record<string, unknown> = { ...before }
  for (const [name, value] of Object.entries(body)) {
    if (known.includes(name) || reserved.has(name)) continue
    if (value === null) delete merged[name]
    else merged[name] = value
  }
  const text = json.write(merged)
  if (text.length > limits.maxExtraBytes)
    throw errors.invalid({
      field: Object.keys(body).find((name) => !known.includes(name)) ?? 'extra',
      reason: 'additional members are too large.',
    })
  return text
}

const userOptions = new Set([
  'ignore_change_password_upon_first_use',
  'ignore_password_expiry',
  'ignore_lockout_failure_attempts',
  'ignore_user_inactivity',
  'lock_password',
  'multi_factor_auth_enabled',
  'multi_factor_auth_rules',
])
const resourceOptions = new Set(['immutable'])

/** The options after a change: null removes one. An option that would promise protection which is not here is refused. */
export function optionsOf(kind: 'user' | 'resource', wish: unknown, before: Options = {}): string {
  const merged: Record<string, unknown> = { ...before }
  const known = kind === 'user' ? userOptions : resourceOptions
  for (const [name, value] of Object.entries((wish ?? {}) as Record<string, unknown>)) {
    if (!known.has(name)) throw errors.invalid({ field: `options.${name}`, reason: `known options are ${[...known].join(', ')}.` })
    if (value === null) {
      delete merged[name]
      continue
    }
    if (name === 'multi_factor_auth_rules' ? !Array.isArray(value) : typeof value !== 'boolean')
      throw errors.invalid({
        field: `options.${name}`,
        reason: name === 'multi_factor_auth_rules' ? 'a list is expected.' : 'true or false is expected.',
      })
    if (name === 'multi_factor_auth_enabled' && value === true)
      throw errors.unsupported({ field: `options.${name}`, reason: 'this service has no second factor; leave it false.' })
    merged[name] = value
  }
  return json.write(merged)
}
