import type { World } from '@murmuration/world'
import type { Identity } from '../identity.ts'

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

/**
 * Defaults in code; an operator's `policy.yaml` (rule name → check string) on top, read again when it changes.
 * A file with an unknown rule or a check that does not parse is refused with its line; the last good one stays in force.
 */
export declare function createPolicy(world: World, defaults: readonly PolicyRule[], options?: { file?: string }): Promise<Policy>
