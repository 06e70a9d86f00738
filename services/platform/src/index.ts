/** What a site says about itself (platform API), and the agent that its system controller audits. */
export { createPlatformService } from './service.ts'
export { platformPolicies, dcagentPolicies } from './policies.ts'
export { errors as platformErrors } from './errors.ts'
export { migrations as platformMigrations } from './store/migrations.ts'
export { admits, mayClaim, type Owner, type Presented } from './rules/ownership.ts'
export { changeOwnership, showOwnership, type ShownOwnership } from './work/ownership-upkeep.ts'
export { keepLaterOwner, ownerToKeep } from './work/restored.ts'
