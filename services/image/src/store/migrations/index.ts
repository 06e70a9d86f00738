import type { Migrations } from '@murmuration/data'
import { jobMigrations } from '@murmuration/jobs'
import { images } from './001-images.ts'
import { metadefs } from './002-metadefs.ts'
import { taskExpiry } from './003-task-expiry.ts'

export const migrations: Migrations = { ...jobMigrations, '001-images': images, '002-metadefs': metadefs, '003-task-expiry': taskExpiry }
