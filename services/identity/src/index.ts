/** Keystone v3: who somebody is, what they may do, and where the services are. */
export { createIdentityService } from './service.ts'
export type { IdentitySite } from './site.ts'
export { resealSecrets, rotateSigningKey } from './work/secrets.ts'
export { ensureBootstrap, type BootstrapParts } from './work/bootstrap.ts'
export { policies as identityPolicies } from './policies.ts'
export { errors as identityErrors } from './errors.ts'
export { identityMigrations } from './store/migrations/index.ts'
export { defaultLimits as defaultIdentityLimits, type IdentityLimits } from './rules/limits.ts'
