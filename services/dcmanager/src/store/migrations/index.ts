import type { Migrations } from '@murmuration/data'
import { jobMigrations } from '@murmuration/jobs'
import { subclouds } from './001-subclouds.ts'
import { backups } from './002-backups.ts'
import { geoRedundancy } from './003-geo-redundancy.ts'
import { peerGroupMigration } from './005-peer-group-migration.ts'
import { pushesOfGroups } from './006-pushes-of-groups.ts'

/** In the order of their names; never changed once released, only added to. */
export const migrations: Migrations = {
  ...jobMigrations,
  '001-subclouds': subclouds,
  '002-backups': backups,
  '003-geo-redundancy': geoRedundancy,
  '005-peer-group-migration': peerGroupMigration,
  '006-pushes-of-groups': pushesOfGroups,
}
