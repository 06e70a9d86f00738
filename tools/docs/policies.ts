import { dcmanagerPolicies } from '@murmuration/dcmanager'
import type { PolicyRule } from '@murmuration/http'
import { identityPolicies } from '@murmuration/identity'
import { imagePolicies } from '@murmuration/image'
import { dcagentPolicies, platformPolicies } from '@murmuration/platform'
import { code, madeFrom, table } from './markdown.ts'

const services: readonly (readonly [name: string, rules: readonly PolicyRule[]])[] = [
  ['dcmanager', dcmanagerPolicies],
  ['identity', identityPolicies],
  ['image', imagePolicies],
  ['platform', [...platformPolicies, ...dcagentPolicies]],
]

const rows = (rules: readonly PolicyRule[]): string[][] =>
  rules.map(({ name, check, operations, description }) => [
    code(name),
    description,
    code(check),
    operations.map(({ method, path }) => code(`${method} ${path}`)).join('<br>'),
  ])

/** docs/reference/policies.md */
export const policiesPage = (): string =>
  [
    madeFrom("the services' policies.ts"),
    '# Policy rules',
    'The defaults. A `policy.yaml` (site option `policyFile`) stands above them, rule by rule; `murmur policy list --site FILE --service NAME`\nshows what is in force. A rule without an operation is there for others to refer to.',
    ...services.flatMap(([name, rules]) => [`## ${name}`, table(['rule', 'what', 'default', 'operations'], rows(rules))]),
    '',
  ].join('\n\n')
