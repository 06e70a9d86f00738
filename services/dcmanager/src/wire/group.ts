import type { GroupRow } from '../store/groups.ts'

/** `G` of reference dcmanager §1.5; `subcloud_count` in lists. */
export const groupToWire = (row: GroupRow & { readonly subcloud_count?: number }): object => ({
  id: row.id,
  name: row.name,
  description: row.description,
  update_apply_type: row.update_apply_type,
  max_parallel_subclouds: row.max_parallel_subclouds,
  'created-at': row.created_at,
  'updated-at': row.updated_at,
  ...(row.subcloud_count === undefined ? {} : { subcloud_count: row.subcloud_count }),
})
