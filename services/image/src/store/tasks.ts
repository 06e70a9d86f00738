import { json, timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import type { Selectable } from 'kysely'
import { DataRefused } from '../rules/refusals.ts'
import { asText } from '../rules/text.ts'
import { readMoment } from '../rules/moments.ts'
import { seesDeleted, type Caller } from './caller.ts'
import { listPage, type PageWanted } from './list-page.ts'
import { taskRecord, taskStub, type TaskRecord, type TaskStub } from './records.ts'
import type { Db, TaskTable, Tx } from './schema.ts'
import type { Values } from './values.ts'

type Row = Selectable<TaskTable>

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const document = (value: unknown) => (value === undefined || value === null ? null : json.write(value))
const missing = (id: string): DataRefused => new DataRefused('TaskNotFound', `No task found with ID ${id}`)

/** With its input, in one row and one transaction. */
export async function createTask(tx: Tx, world: World, { values }: { values: Values }): Promise<TaskRecord> {
  const now = timestamp(world.clock.nowMs())
  const { id, type, status, owner } = values
  if (typeof type !== 'string' || typeof owner !== 'string') throw new DataRefused('Invalid', 'A task needs a type and an owner.')
  const row: Row = {
    id: typeof id === 'string' ? id : world.random.uuid(),
    type,
    status: typeof status === 'string' ? status : 'pending',
    owner,
    expires_at: textOrNull(values['expires_at']),
    image_id: textOrNull(values['image_id']),
    request_id: textOrNull(values['request_id']),
    user_id: textOrNull(values['user_id']),
    input: document(values['input']),
    result: document(values['result']),
    message: textOrNull(values['message']),
    created_at: now,
    updated_at: now,
    deleted_at: null,
    deleted: 0,
  }
  await tx.query.insertInto('tasks').values(row).execute()
  return taskRecord(row)
}

export async function updateTask(
  tx: Tx,
  world: World,
  caller: Caller,
  { task_id: id, values }: { task_id: string; values: Values },
): Promise<TaskRecord> {
  await readTask(tx, caller, id, false)
  const { status, expires_at: expiresAt, input, result, message, image_id: imageId } = values
  const row = await tx.query
    .updateTable('tasks')
    .set({
      ...(typeof status === 'string' ? { status } : {}),
      ...(expiresAt === undefined ? {} : { expires_at: typeof expiresAt === 'string' ? (readMoment(expiresAt) ?? null) : null }),
      ...(imageId === undefined ? {} : { image_id: textOrNull(imageId) }),
      ...(input === undefined ? {} : { input: document(input) }),
      ...(result === undefined ? {} : { result: document(result) }),
      ...(message === undefined ? {} : { message: textOrNull(message) }),
      updated_at: timestamp(world.clock.nowMs()),
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return taskRecord(row)
}

async function readTask(db: Db, caller: Caller, id: string, deleted: boolean): Promise<Row> {
  const row = id.length > 36 ? undefined : await db.query.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined || (row.deleted === 1 && !deleted && !seesDeleted(caller))) throw missing(id)
  if (!caller.isAdmin && row.owner !== caller.owner) throw new DataRefused('Forbidden', `Forbidding request, task ${id} is not visible`)
  return row
}

export const getTask = async (
  db: Db,
  caller: Caller,
  { task_id: id, force_show_deleted: deleted = false }: { task_id: string; force_show_deleted?: boolean },
): Promise<TaskRecord> => taskRecord(await readTask(db, caller, id, deleted))

export async function deleteTask(tx: Tx, world: World, caller: Caller, { task_id: id }: { task_id: string }): Promise<TaskRecord> {
  await readTask(tx, caller, id, false)
  const now = timestamp(world.clock.nowMs())
  const row = await tx.query
    .updateTable('tasks')
    .set({ deleted: 1, deleted_at: now, updated_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
  return taskRecord(row)
}

/** Tasks that ended and whose time is over go for good, at most so many at once. Returns how many did. */
export async function removeExpiredTasks(db: Db, now: string, most: number): Promise<number> {
  const rows = await db.query
    .selectFrom('tasks')
    .select('id')
    .where('expires_at', '<', now)
    .where('status', 'in', ['success', 'failure'])
    .orderBy('expires_at')
    .limit(most)
    .execute()
  const ids = rows.map(({ id }) => id)
  if (ids.length > 0) await db.query.deleteFrom('tasks').where('id', 'in', ids).execute()
  return ids.length
}

export interface TaskFilter extends PageWanted {
  readonly filters?: Readonly<Record<string, unknown>> | null
  readonly sort_key?: string | null
  readonly sort_dir?: string | null
  readonly admin_as_user?: boolean
}

const columns = Object.fromEntries(
  ['id', 'type', 'status', 'owner', 'expires_at', 'image_id', 'created_at', 'updated_at'].map((column) => [column, column]),
)
const filtered = ['id', 'type', 'status', 'owner', 'image_id', 'request_id', 'user_id'] as const

/** Without input, result and message. Others than administrators see their own, and `admin_as_user` never shows more. */
export async function listTasks(db: Db, caller: Caller, wanted: TaskFilter): Promise<TaskStub[]> {
  const key = wanted.sort_key ?? 'created_at'
  const direction = wanted.sort_dir ?? 'desc'
  if (direction !== 'asc' && direction !== 'desc') throw new DataRefused('Invalid', "A sort direction is 'asc' or 'desc'.")
  if (!Object.hasOwn(columns, key)) throw new DataRefused('InvalidSortKey', `Sort key supplied was not valid: ${key.slice(0, 64)}.`)
  const sort = [{ key, direction } as const, ...(key === 'created_at' ? [] : [{ key: 'created_at', direction } as const])]
  let query = db.query.selectFrom('tasks').selectAll()
  if (!caller.isAdmin || wanted.admin_as_user === true) query = query.where('owner', '=', caller.owner ?? '')
  const { filters } = wanted
  if (filters?.['deleted'] !== true) query = query.where('deleted', '=', 0)
  for (const column of filtered) {
    const value = filters?.[column]
    if (value !== undefined && value !== null) query = query.where(column, '=', asText(value))
  }
  const rows = await listPage<Row>(query, wanted, { sort, columns }, (marker) => readTask(db, caller, marker, false))
  return rows.map(taskStub)
}
