/** The distributed cloud manager: subclouds and their life, groups, audits. */
export { createDcmanagerService } from './service.ts'
export { policies as dcmanagerPolicies } from './policies.ts'
export { migrations as dcmanagerMigrations } from './store/migrations/index.ts'
export { errors as dcmanagerErrors } from './errors.ts'
export { allDeployStatuses, firstStatusOf, isTransient, ruleOf, type DeployStatus, type PhasedVerb } from './rules/lifecycle.ts'
export { resealSecrets } from './work/secrets.ts'
export {
  allBackupStatuses,
  backupEdges,
  backupStatuses,
  failedBackupStatusOf,
  isBackupTransient,
  type BackupStatus,
} from './rules/backup-status.ts'
