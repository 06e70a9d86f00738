import type { TaskRecord, TaskStub } from '../store/records.ts'
import { wireTime } from './times.ts'

/** In lists: without input, result and message. */
export const taskStubToWire = (task: TaskStub) => ({
  id: task.id,
  type: task.type,
  status: task.status,
  owner: task.owner,
  ...(task.expires_at === null ? {} : { expires_at: wireTime(task.expires_at) }),
  created_at: wireTime(task.created_at),
  updated_at: wireTime(task.updated_at),
  self: `/v2/tasks/${task.id}`,
  schema: '/v2/schemas/task',
})

export const taskToWire = (task: TaskRecord) => ({
  ...taskStubToWire(task),
  input: task.input ?? {},
  result: task.result ?? null,
  message: task.message ?? '',
})

/** Of an image: with times to the microsecond and without a zone (reference image §1.2). */
export const imageTaskToWire = (task: TaskRecord) => ({
  id: task.id,
  type: task.type,
  status: task.status,
  owner: task.owner,
  image_id: task.image_id,
  request_id: task.request_id,
  user_id: task.user_id,
  input: task.input ?? {},
  result: task.result ?? null,
  message: task.message ?? '',
  expires_at: task.expires_at,
  created_at: task.created_at,
  updated_at: task.updated_at,
  deleted: task.deleted,
  deleted_at: task.deleted_at,
})
