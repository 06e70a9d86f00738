import type { Caller } from './caller.ts'
import type { Begin, Commit, DataRow, Quotas } from './data.ts'
import type { ImportBegin } from './imports.ts'
import type { ListArguments } from './list-images.ts'
import type { MetadefCommands } from './metadefs/commands.ts'
import type { MemberFilter } from './members.ts'
import type { ImageRecord, MemberRecord, PropertyRecord, TaskRecord, TaskStub } from './records.ts'
import type { TaskFilter } from './tasks.ts'
import type { Values } from './values.ts'
import type { Update } from './write-images.ts'

/** Arguments and result of every command of the data layer, by its name on the wire (reference image §2.5). */
export interface Commands extends MetadefCommands {
  image_create: [{ values: Values }, ImageRecord]
  image_update: [Update, ImageRecord]
  image_destroy: [{ image_id: string }, ImageRecord]
  image_get: [{ image_id: string; force_show_deleted?: boolean }, ImageRecord]
  image_get_all: [ListArguments, ImageRecord[]]
  is_image_mutable: [{ image: Values }, boolean]
  is_image_visible: [{ image: Values; status?: string | null }, boolean]
  image_location_add: [{ image_id: string; location: Values }, null]
  image_location_update: [{ image_id: string; location: Values }, null]
  image_location_delete: [{ image_id: string; location_id: number; status: string; delete_time?: string | null }, null]
  image_property_create: [{ values: Values }, PropertyRecord]
  image_property_delete: [{ prop_ref: string; image_ref: string }, PropertyRecord]
  image_member_create: [{ values: Values }, MemberRecord]
  image_member_update: [{ memb_id: number; values: Values }, MemberRecord]
  image_member_delete: [{ memb_id: number }, null]
  image_member_find: [MemberFilter, MemberRecord[]]
  image_member_count: [{ image_id: string }, number]
  image_tag_set_all: [{ image_id: string; tags: readonly string[] }, null]
  image_tag_create: [{ image_id: string; value: string }, string]
  image_tag_delete: [{ image_id: string; value: string }, null]
  image_tag_get_all: [{ image_id: string }, string[]]
  user_get_storage_usage: [{ owner_id: string; image_id?: string | null }, number]
  task_create: [{ values: Values }, TaskRecord]
  task_update: [{ task_id: string; values: Values }, TaskRecord]
  task_get: [{ task_id: string; force_show_deleted?: boolean }, TaskRecord]
  task_delete: [{ task_id: string }, TaskRecord]
  task_get_all: [TaskFilter, TaskStub[]]
  /** New: how bytes are claimed, so that API nodes without a database can take uploads. */
  data_begin: [Begin, DataRow]
  data_extend: [{ data_id: string; bytes: number }, null]
  data_commit: [Commit, ImageRecord]
  data_fail: [{ data_id: string; from: Begin['from']; to: Begin['to'] }, null]
  data_free: [{ data_id: string }, null]
  /** New: the claim of an import, with its job. */
  import_begin: [ImportBegin, TaskRecord]
  data_of_image: [{ image_id: string }, DataRow[]]
  /** New: the bytes of one store are no location of the image any more. */
  data_remove: [{ image_id: string; store: string }, null]
  /** New: what `GET /v2/info/usage` tells. */
  usage_get: [{ owner_id: string }, Usage]
}

export interface Usage {
  readonly limits: Quotas
  readonly bytes: number
  readonly staged_bytes: number
  readonly count: number
  readonly uploading: number
}

export type CommandName = keyof Commands

/**
 * The one way to the data: `direct` asks the database, `registry` asks another process that does (reference image §2.1). Both refuse
 * with DataRefused.
 */
export type ImageData = {
  readonly [Name in CommandName]: (caller: Caller, kwargs: Commands[Name][0]) => Promise<Commands[Name][1]>
}
