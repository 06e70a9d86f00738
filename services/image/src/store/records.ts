import { json, type Timestamp } from '@murmuration/data'
import type { Selectable } from 'kysely'
import type { ImageStatus } from '../rules/status.ts'
import type { Visibility } from '../rules/visibility.ts'
import type { ImageTable, LocationTable, MemberTable, PropertyTable, TaskTable } from './schema.ts'

/** Rows as the commands give them (reference image §2.5): booleans are booleans, children stand inside. */
export interface ImageRecord {
  readonly id: string
  readonly name: string | null
  readonly disk_format: string | null
  readonly container_format: string | null
  readonly size: number | null
  readonly virtual_size: number | null
  readonly status: ImageStatus
  readonly visibility: Visibility
  /** As of 2015; follows from the visibility. */
  readonly is_public: boolean
  readonly checksum: string | null
  readonly os_hash_algo: string | null
  readonly os_hash_value: string | null
  readonly min_disk: number
  readonly min_ram: number
  readonly owner: string | null
  readonly protected: boolean
  readonly os_hidden: boolean
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
  readonly deleted_at: Timestamp | null
  readonly deleted: boolean
  readonly properties: readonly PropertyRecord[]
  readonly locations: readonly LocationRecord[]
  readonly tags?: readonly string[]
}
export interface PropertyRecord {
  readonly id: number
  readonly image_id: string
  readonly name: string
  readonly value: string | null
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
  readonly deleted_at: Timestamp | null
  readonly deleted: boolean
}
export interface LocationRecord {
  readonly id: number
  readonly url: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly status: string
  /** New: the bytes of ours behind it. */
  readonly data_id: string | null
}
export interface MemberRecord {
  readonly id: number
  readonly image_id: string
  readonly member: string
  readonly can_share: boolean
  readonly status: string
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
}
export interface TaskStub {
  readonly id: string
  readonly type: string
  readonly status: string
  readonly owner: string
  readonly expires_at: Timestamp | null
  readonly image_id: string | null
  readonly request_id: string | null
  readonly user_id: string | null
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
  readonly deleted_at: Timestamp | null
  readonly deleted: boolean
}
export interface TaskRecord extends TaskStub {
  readonly input: unknown
  readonly result: unknown
  readonly message: string | null
}

export const propertyRecord = (row: Selectable<PropertyTable>): PropertyRecord => ({ ...row, deleted: row.deleted === 1 })
export const locationRecord = (row: Selectable<LocationTable>): LocationRecord => ({
  id: row.id,
  url: row.url,
  metadata: json.read(row.meta_data),
  status: row.status,
  data_id: row.data_id,
})
export const memberRecord = (row: Selectable<MemberTable>): MemberRecord => ({
  id: row.id,
  image_id: row.image_id,
  member: row.member,
  can_share: row.can_share === 1,
  status: row.status,
  created_at: row.created_at,
  updated_at: row.updated_at,
})
export const taskStub = (row: Selectable<TaskTable>): TaskStub => {
  const { input: _input, result: _result, message: _message, ...stub } = row
  return { ...stub, deleted: row.deleted === 1 }
}
export const taskRecord = (row: Selectable<TaskTable>): TaskRecord => ({
  ...taskStub(row),
  input: row.input === null ? null : json.read(row.input),
  result: row.result === null ? null : json.read(row.result),
  message: row.message,
})

export function imageRecord(
  row: Selectable<ImageTable>,
  children: { properties: readonly PropertyRecord[]; locations: readonly LocationRecord[]; tags?: readonly string[] },
): ImageRecord {
  return {
    ...row,
    is_public: row.visibility === 'public',
    protected: row.protected === 1,
    os_hidden: row.os_hidden === 1,
    deleted: row.deleted === 1,
    ...children,
  }
}
