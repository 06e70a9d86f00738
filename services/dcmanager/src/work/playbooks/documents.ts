/** What a document for Ansible may hold: plain data, and expressions for Ansible. */
export type AnsibleValue =
  | null
  | boolean
  | number
  | string
  | Expression
  | readonly AnsibleValue[]
  | { readonly [key: string]: AnsibleValue }

/** An expression that Ansible is to evaluate: only our own code makes one. */
export class Expression {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** A secret that Ansible reads from its environment: the file names the variable and never holds the secret. */
export function fromEnvironment(variable: string): Expression {
  if (!/^[A-Z][A-Z0-9_]*$/.test(variable)) throw new Error('a variable of the environment has capitals, digits and underscores')
  return new Expression(`{{ lookup('ansible.builtin.env', '${variable}') }}`)
}

/** What Ansible would take for a template. */
const templateMark = /\{\{|\{%|\{#/

/**
 * A document that Ansible reads as exactly this data. JSON is YAML, so a serializer writes it and no value can break out of its
 * quotes; texts that look like templates are marked as data (Ansible's own notation in JSON), so that they are never evaluated.
 */
export const ansibleDocument = (value: AnsibleValue): string => `${JSON.stringify(asData(value), undefined, 2)}\n`

function asData(value: AnsibleValue): unknown {
  if (typeof value === 'string') return templateMark.test(value) ? { __ansible_unsafe: value } : value
  if (value instanceof Expression) return value.text
  if (Array.isArray(value)) return value.map((member: AnsibleValue) => asData(member))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]: [string, AnsibleValue]) => [key, asData(member)]))
  return value
}
