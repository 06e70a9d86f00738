import type { Migrations } from '@murmuration/data'
import { identityTables } from './001-identity.ts'

export const identityMigrations: Migrations = { '001-identity': identityTables }
