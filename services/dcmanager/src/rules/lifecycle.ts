import type { Phase } from './operations.ts'

/** What a deploy status allows and what becomes of it; one row of the table below. */
export interface DeployStatusRule {
  readonly meaning: string
  readonly audited: 'yes' | 'no' | 'while-online'
  readonly deletable: boolean
  readonly restorable: boolean
  readonly verbs: readonly PhasedVerb[]
  /** Present on transitional statuses: what stands there when the work that made it is gone, or ended in failure. */
  readonly onLostJob?: string
  /** Which kind of work writes this status. */
  readonly operation?: OperationFamily
  /** Present where a running phase may be aborted. */
  readonly abort?: { readonly to: string; readonly done: string; readonly failed: string }
}

export type PhasedVerb = 'install' | 'bootstrap' | 'configure' | 'complete' | 'abort' | 'enroll' | 'resume'
export type OperationFamily = 'deploy' | 'enroll' | 'restore' | 'rehome' | 'reconfigure-network'

/**
 * Every deploy status (reference dcmanager §3.2). Statuses of operations that come in later versions stand here already: a row
 * that an imported database brings along is understood, and the table is the one place to look.
 */
export const deployStatuses = {
  // --- add and the phased verbs ---
  'not-deployed': {
    meaning: 'accepted, nothing done yet',
    audited: 'no',
    deletable: true,
    restorable: false,
    verbs: [],
    onLostJob: 'create-failed',
    operation: 'deploy',
  },
  creating: {
    meaning: 'endpoints, overrides and inventory are being prepared',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'create-failed',
    operation: 'deploy',
  },
  'create-failed': { meaning: 'the create phase failed', audited: 'no', deletable: true, restorable: true, verbs: [] },
  'create-complete': {
    meaning: 'created, ready to install or bootstrap',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['install', 'bootstrap', 'enroll', 'resume'],
  },
  'pre-install': {
    meaning: 'the installation is being prepared',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-install-failed',
    operation: 'deploy',
  },
  'pre-install-failed': {
    meaning: 'preparing the installation failed',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['install', 'resume'],
  },
  installing: {
    meaning: 'the install playbook runs',
    audited: 'while-online',
    deletable: false,
    restorable: false,
    verbs: ['abort'],
    onLostJob: 'install-failed',
    operation: 'deploy',
    abort: { to: 'aborting-install', done: 'install-aborted', failed: 'install-failed' },
  },
  'install-failed': {
    meaning: 'the installation failed, or could not be aborted',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['install', 'resume'],
  },
  'install-complete': {
    meaning: 'installed',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['install', 'bootstrap', 'resume'],
  },
  'aborting-install': {
    meaning: 'the installation is being aborted',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'install-failed',
    operation: 'deploy',
  },
  'install-aborted': {
    meaning: 'the installation was aborted',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['install', 'resume'],
  },
  'pre-bootstrap': {
    meaning: 'the bootstrap is being prepared',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-bootstrap-failed',
    operation: 'deploy',
  },
  'pre-bootstrap-failed': {
    meaning: 'preparing the bootstrap failed',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['bootstrap', 'resume'],
  },
  bootstrapping: {
    meaning: 'the bootstrap playbook runs',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: ['abort'],
    onLostJob: 'bootstrap-failed',
    operation: 'deploy',
    abort: { to: 'aborting-bootstrap', done: 'bootstrap-aborted', failed: 'bootstrap-failed' },
  },
  'bootstrap-failed': {
    meaning: 'the bootstrap failed, or could not be aborted',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['bootstrap', 'resume'],
  },
  'aborting-bootstrap': {
    meaning: 'the bootstrap is being aborted',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'bootstrap-failed',
    operation: 'deploy',
  },
  'bootstrap-aborted': {
    meaning: 'the bootstrap was aborted',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['bootstrap', 'resume'],
  },
  'bootstrap-complete': {
    meaning: 'bootstrapped, not configured',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['bootstrap', 'configure', 'complete', 'resume'],
  },
  'pre-config': {
    meaning: 'the configuration is being prepared',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-config-failed',
    operation: 'deploy',
  },
  'pre-config-failed': {
    meaning: 'preparing the configuration failed',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['configure', 'resume'],
  },
  configuring: {
    meaning: 'the deploy playbook runs',
    audited: 'yes',
    deletable: false,
    restorable: false,
    verbs: ['abort'],
    onLostJob: 'config-failed',
    operation: 'deploy',
    abort: { to: 'aborting-config', done: 'config-aborted', failed: 'config-failed' },
  },
  'config-failed': {
    meaning: 'the configuration failed, or could not be aborted',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['configure', 'resume'],
  },
  'aborting-config': {
    meaning: 'the configuration is being aborted',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'config-failed',
    operation: 'deploy',
  },
  'config-aborted': {
    meaning: 'the configuration was aborted',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: ['configure', 'resume'],
  },
  complete: { meaning: 'deployed', audited: 'yes', deletable: true, restorable: true, verbs: ['configure'] },

  // --- legacy of old releases ---
  'pre-deploy': {
    meaning: 'legacy name of pre-config',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-config-failed',
    operation: 'deploy',
  },
  deploying: {
    meaning: 'legacy name of configuring',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'config-failed',
    operation: 'deploy',
  },
  'deploy-prep-failed': { meaning: 'legacy name of pre-config-failed', audited: 'no', deletable: true, restorable: true, verbs: [] },
  'deploy-failed': { meaning: 'legacy name of config-failed', audited: 'no', deletable: true, restorable: true, verbs: [] },

  // --- enrolment of a site that is already installed ---
  'pre-init-enroll': {
    meaning: 'enrolment requested',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-init-enroll-failed',
    operation: 'enroll',
  },
  'pre-init-enroll-failed': {
    meaning: 'the first enrolment phase failed',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['enroll'],
  },
  'initiating-enroll': {
    meaning: 'the first enrolment playbook runs',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'init-enroll-failed',
    operation: 'enroll',
  },
  'init-enroll-failed': {
    meaning: 'the first enrolment phase was lost',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['enroll'],
  },
  'init-enroll-complete': { meaning: 'the first enrolment phase is done', audited: 'no', deletable: true, restorable: true, verbs: [] },
  'pre-enroll': {
    meaning: 'the enrolment is being prepared',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'pre-enroll-failed',
    operation: 'enroll',
  },
  'pre-enroll-failed': {
    meaning: 'preparing the enrolment failed',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: ['enroll'],
  },
  'pre-enroll-complete': { meaning: 'defined by the original, never set', audited: 'no', deletable: true, restorable: true, verbs: [] },
  enrolling: {
    meaning: 'the enrolment playbook runs',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'enroll-failed',
    operation: 'enroll',
  },
  'enroll-failed': { meaning: 'the enrolment failed', audited: 'no', deletable: true, restorable: true, verbs: ['enroll'] },
  'enroll-complete': { meaning: 'enrolled', audited: 'no', deletable: true, restorable: true, verbs: ['configure', 'complete'] },

  // --- restore ---
  'pre-restore': {
    meaning: 'a restore was accepted',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'restore-prep-failed',
    operation: 'restore',
  },
  'restore-prep-failed': { meaning: 'preparing the restore failed', audited: 'yes', deletable: true, restorable: true, verbs: [] },
  restoring: {
    meaning: 'the restore playbook runs',
    audited: 'yes',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'restore-failed',
    operation: 'restore',
  },
  'restore-failed': { meaning: 'the restore failed', audited: 'yes', deletable: true, restorable: true, verbs: [] },
  'onsite-restoring': {
    meaning: 'a restore at the site is being watched',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'restore-failed',
    operation: 'restore',
  },
  'factory-restore-complete': { meaning: 'back in factory state', audited: 'no', deletable: true, restorable: true, verbs: ['enroll'] },

  // --- geo-redundancy ---
  'pre-rehome': {
    meaning: 'a migration was accepted',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'rehome-prep-failed',
    operation: 'rehome',
  },
  'rehome-prep-failed': { meaning: 'preparing the migration failed', audited: 'no', deletable: true, restorable: false, verbs: [] },
  rehoming: {
    meaning: 'the rehome playbook runs',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'rehome-failed',
    operation: 'rehome',
  },
  'rehome-failed': { meaning: 'the migration failed', audited: 'no', deletable: true, restorable: false, verbs: [] },
  'rehome-pending': {
    meaning: 'given up by this site, waiting to be rehomed elsewhere',
    audited: 'while-online',
    deletable: false,
    restorable: false,
    verbs: [],
  },
  secondary: { meaning: 'standby copy of a subcloud of a peer site', audited: 'no', deletable: true, restorable: false, verbs: [] },
  'secondary-failed': { meaning: 'making the standby copy failed', audited: 'no', deletable: true, restorable: false, verbs: [] },

  // --- network and software ---
  'reconfiguring-network': {
    meaning: 'the management network is being changed',
    audited: 'no',
    deletable: false,
    restorable: false,
    verbs: [],
    onLostJob: 'network-reconfiguration-failed',
    operation: 'reconfigure-network',
  },
  'network-reconfiguration-failed': {
    meaning: 'changing the management network failed',
    audited: 'no',
    deletable: true,
    restorable: true,
    verbs: [],
  },
  'sw-deploy-in-progress': {
    meaning: 'a software deployment is being applied',
    audited: 'while-online',
    deletable: true,
    restorable: true,
    verbs: [],
  },
  'sw-deploy-apply-strategy-failed': {
    meaning: 'the software deployment failed',
    audited: 'yes',
    deletable: true,
    restorable: true,
    verbs: [],
  },
} as const satisfies Record<string, DeployStatusRule>

export type DeployStatus = keyof typeof deployStatuses

/** The rule of a status, with its statuses typed as such (a test proves that they exist). */
export interface CheckedRule extends Omit<DeployStatusRule, 'onLostJob' | 'abort'> {
  readonly onLostJob?: DeployStatus
  readonly abort?: { readonly to: DeployStatus; readonly done: DeployStatus; readonly failed: DeployStatus }
}

export const allDeployStatuses = Object.keys(deployStatuses) as readonly DeployStatus[]

export const ruleOf = (status: DeployStatus): CheckedRule => deployStatuses[status]

/** Somebody works on it now: other operations are refused until it ends. */
export const isTransient = (status: DeployStatus): boolean => ruleOf(status).onLostJob !== undefined

export const transientStatuses: readonly DeployStatus[] = allDeployStatuses.filter(isTransient)

/** What a failed or lost operation leaves: `pre-x` → `pre-x-failed`, `x-ing` → `x-failed`; other statuses stay. */
export const failedStatusOf = (status: DeployStatus): DeployStatus => ruleOf(status).onLostJob ?? status

/** What the end of a cancelled operation leaves: `aborting-x` → `x-aborted`; undefined where no abort is under way. */
export const abortedStatusOf = (status: DeployStatus): DeployStatus | undefined =>
  allDeployStatuses.map((each) => ruleOf(each).abort).find((abort) => abort?.to === status)?.done

export const allowsVerb = (status: DeployStatus, verb: PhasedVerb): boolean => ruleOf(status).verbs.includes(verb)

/** For refusals: "allowed are …". */
export const statusesAllowing = (verb: PhasedVerb): readonly DeployStatus[] =>
  allDeployStatuses.filter((status) => allowsVerb(status, verb))

export const isAudited = (status: DeployStatus, online: boolean): boolean => {
  const { audited } = ruleOf(status)
  return audited === 'yes' || (audited === 'while-online' && online)
}

/** The status that an accepted operation shows at once, by its first phase. */
export const firstStatusOf = {
  create: 'not-deployed',
  install: 'pre-install',
  bootstrap: 'pre-bootstrap',
  configure: 'pre-config',
  complete: 'complete',
} as const satisfies Record<Phase, DeployStatus>
