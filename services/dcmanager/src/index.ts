/** The distributed cloud manager: subclouds and their life, groups, audits. */
export { createDcmanagerService } from './service.ts'
export { policies as dcmanagerPolicies } from './policies.ts'
export { migrations as dcmanagerMigrations } from './store/migrations/index.ts'
export { resealSecrets } from './work/secrets.ts'
