import type { Migrations } from '@murmuration/data'
import { jobMigrations } from '@murmuration/jobs'
import { subclouds } from './001-subclouds.ts'
import { geoRedundancy } from './003-geo-redundancy.ts'

/** In the order of their names; never changed once released, only added to. */
export const migrations: Migrations = {
  ...jobMigrations,
  '001-subclouds': subclouds,
  '003-geo-redundancy': geoRedundancy,
}
