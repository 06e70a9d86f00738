import type { DeployStatus } from './lifecycle.ts'
import type { Phase } from './operations.ts'

/** What of a subcloud's documents decides which phases there are. */
export interface Given {
  readonly installValues: boolean
  readonly deployConfig: boolean
}

const lastPhase = (given: Given): Phase => (given.deployConfig ? 'configure' : 'complete')

/** Reference dcmanager §3.2 flow `add`. */
export const addPhases = (given: Given): readonly Phase[] => [
  'create',
  ...(given.installValues ? (['install'] as const) : []),
  'bootstrap',
  lastPhase(given),
]

export const redeployPhases = (given: Given): readonly Phase[] => ['install', 'bootstrap', lastPhase(given)]

/** Which phases are still to do, by the status of the last one (reference §1.8 "Resume plan"). */
const remaining: Partial<Record<DeployStatus, readonly ('install' | 'bootstrap' | 'configure')[]>> = {
  'create-complete': ['install', 'bootstrap', 'configure'],
  'pre-install-failed': ['install', 'bootstrap', 'configure'],
  'install-failed': ['install', 'bootstrap', 'configure'],
  'install-aborted': ['install', 'bootstrap', 'configure'],
  'install-complete': ['bootstrap', 'configure'],
  'pre-bootstrap-failed': ['bootstrap', 'configure'],
  'bootstrap-failed': ['bootstrap', 'configure'],
  'bootstrap-aborted': ['bootstrap', 'configure'],
  'bootstrap-complete': ['configure'],
  'pre-config-failed': ['configure'],
  'config-failed': ['configure'],
  'config-aborted': ['configure'],
}

/** Phases that a resume from `status` may run, before looking at what is given: files for other phases are refused. */
export const resumablePhases = (status: DeployStatus): readonly Phase[] => remaining[status] ?? []

/**
 * Install is left out when there are no install values, configure becomes complete when there is no deploy config.
 * Undefined when configure is all that is left and there is no deploy config for it.
 */
export function resumePhases(status: DeployStatus, given: Given): readonly Phase[] | undefined {
  const left = remaining[status] ?? []
  if (left.length === 1 && !given.deployConfig) return undefined
  return left
    .filter((phase) => phase !== 'install' || given.installValues)
    .map((phase): Phase => (phase === 'configure' ? lastPhase(given) : phase))
}
