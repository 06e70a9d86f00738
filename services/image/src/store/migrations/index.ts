import type { Migrations } from '@murmuration/data'
import { jobMigrations } from '@murmuration/jobs'
import { images } from './001-images.ts'

export const migrations: Migrations = { ...jobMigrations, '001-images': images }
