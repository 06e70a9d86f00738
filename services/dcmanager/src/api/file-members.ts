import { invalidField } from '../errors.ts'
import { requestMembers, type RequestMember } from '../rules/request-members.ts'
import { asMap, decodeBase64 } from '../rules/problems.ts'
import { formOf, type Form } from './form.ts'

/** What means the same, so that one in the form goes before the other in the file. */
const spellings: Partial<Record<RequestMember, readonly RequestMember[]>> = {
  'bootstrap-address': ['bootstrap-address', 'bootstrap_address'],
  bootstrap_address: ['bootstrap-address', 'bootstrap_address'],
}
const passwords: ReadonlySet<string> = new Set(['sysadmin_password', 'bmc_password'])

/**
 * The form with the request members that stand in its bootstrap values instead (reference dcmanager §1.7); those of the form win.
 * Only members of the list that the route knows too: a file can not set anything else of a request.
 */
export function withFileMembers(form: Form, allowed: readonly string[]): Form {
  if (!form.has('bootstrap_values')) return form
  const map = asMap(form.yaml('bootstrap_values')?.value)
  if (map === undefined) return form
  const found: Record<string, string> = {}
  for (const name of requestMembers) {
    if (!allowed.includes(name) || (spellings[name] ?? [name]).some((spelling) => form.has(spelling))) continue
    const value = Object.hasOwn(map, name) ? map[name] : undefined
    if (value === undefined || value === null) continue
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw invalidField(`bootstrap_values.${name}`, 'must be a text')
    if (passwords.has(name) && decodeBase64(String(value)) === undefined)
      throw invalidField(`bootstrap_values.${name}`, `must be base64 of the password; better send it as the form field ${name}`)
    found[name] = String(value)
  }
  const merged = formOf({ fields: { ...form.content.fields, ...found }, files: form.content.files })
  // Two requests are the same when they were sent the same.
  return { ...merged, content: form.content }
}
