import type { Database, Flag, Json, Queryable, Timestamp, Transaction } from '@murmuration/data'
import type { JobTables } from '@murmuration/jobs'
import type { Generated } from 'kysely'
import type { ImageStatus } from '../rules/status.ts'
import type { Visibility } from '../rules/visibility.ts'

/** Reference image §3.1 in today's form (visibility for is_public); what is new says so. Migrations in ./migrations make exactly this. */
export interface Schema extends JobTables {
  images: ImageTable
  image_properties: PropertyTable
  image_tags: TagTable
  image_locations: LocationTable
  image_members: MemberTable
  image_data: DataTable
  tasks: TaskTable
  metadef_namespaces: NamespaceTable
  metadef_entries: EntryTable
  metadef_resource_types: ResourceTypeTable
  metadef_associations: AssociationTable
}
export type ImageDatabase = Database<Schema>
export type Db = Queryable<Schema>
export type Tx = Transaction<Schema>

interface Kept {
  created_at: Timestamp
  updated_at: Timestamp
  deleted_at: Timestamp | null
  deleted: Flag
}

export interface ImageTable extends Kept {
  id: string
  name: string | null
  disk_format: string | null
  container_format: string | null
  size: number | null
  virtual_size: number | null
  status: ImageStatus
  visibility: Visibility
  checksum: string | null
  os_hash_algo: string | null
  os_hash_value: string | null
  min_disk: number
  min_ram: number
  owner: string | null
  protected: Flag
  os_hidden: Flag
}

/** One row for a name of an image, also after it was deleted: a property that comes back revives its row. */
export interface PropertyTable extends Kept {
  id: Generated<number>
  image_id: string
  name: string
  value: string | null
}

export interface TagTable extends Kept {
  id: Generated<number>
  image_id: string
  value: string
}

export interface LocationTable extends Kept {
  id: Generated<number>
  image_id: string
  url: string
  meta_data: Json<Record<string, unknown>>
  status: string
  /** New: the bytes of ours behind it. */
  data_id: string | null
}

/** One row for a member of an image, also after its end. */
export interface MemberTable extends Kept {
  id: Generated<number>
  image_id: string
  member: string
  can_share: Flag
  status: string
}

/**
 * New: bytes in a store, written down before the first of them is written and until the last is gone. Their name in the store is the id,
 * so whatever has no row is an orphan, and two writers never meet.
 */
export interface DataTable {
  id: string
  image_id: string
  /** The project that pays for it. */
  owner: string | null
  store: string
  /** `garbage`: its bytes are to be removed, then the row. */
  state: 'writing' | 'staged' | 'stored' | 'garbage'
  /** Reserved while it is written, then what there is. */
  bytes: number
  /** While it is written: who does not renew it has died. */
  lease_until: Timestamp | null
  created_at: Timestamp
  updated_at: Timestamp
}

export interface TaskTable extends Kept {
  id: string
  type: string
  status: string
  owner: string
  expires_at: Timestamp | null
  image_id: string | null
  request_id: string | null
  user_id: string | null
  input: Json<unknown> | null
  result: Json<unknown> | null
  message: string | null
}

interface Dated {
  id: Generated<number>
  created_at: Timestamp
  updated_at: Timestamp
}

/** Definitions of metadata are deleted for good: a name is free at once. */
export interface NamespaceTable extends Dated {
  namespace: string
  display_name: string | null
  description: string | null
  visibility: 'public' | 'private'
  protected: Flag
  owner: string
}

/** An object, a property or a tag of a namespace: what only one of them has is null in the others. */
export interface EntryTable extends Dated {
  namespace_id: number
  kind: 'object' | 'property' | 'tag'
  name: string
  description: string | null
  required: Json<readonly string[]> | null
  /** Of a property; of an object: those of its properties, by name. */
  json_schema: Json<unknown> | null
}

export interface ResourceTypeTable extends Dated {
  name: string
  protected: Flag
}

export interface AssociationTable extends Dated {
  namespace_id: number
  resource_type: string
  properties_target: string | null
  prefix: string | null
}
