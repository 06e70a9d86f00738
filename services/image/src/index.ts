/** The image service: the Image API v2 with real bytes. */
export { createImageService } from './service.ts'
export { policies as imagePolicies } from './policies.ts'
export { migrations as imageMigrations } from './store/migrations/index.ts'
export { errors as imageErrors } from './errors.ts'
export { statuses as imageStatuses } from './rules/status.ts'
