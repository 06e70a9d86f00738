import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { taskStubToWire, taskToWire } from '../wire/task.ts'
import { callerOf, queryOf, type ApiContext } from './context.ts'
import { linksOf, newImage } from './images.ts'
import { sourceOf } from './import.ts'

const TaskParams = Type.Object({ task_id: Type.String() })
const sortable = ['id', 'type', 'status', 'created_at', 'updated_at', 'expires_at']
const statuses = ['pending', 'processing', 'success', 'failure']
const limitMost = 1000
const limitDefault = 25

const NewTask = Type.Object(
  {
    type: Type.String(),
    input: Type.Optional(
      Type.Object({
        import_from: Type.Optional(Type.String()),
        import_from_format: Type.Optional(Type.String()),
        image_properties: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      }),
    ),
  },
  { title: 'NewTask' },
)

/** Tasks, for administrators: the old way to import an image, and what imports are doing (reference image §1.12). */
export function taskRoutes(app: App, context: ApiContext): void {
  const { data, stores } = context
  const config = { policy: 'tasks_api_access' }

  app.post('/v2/tasks', { config, schema: { summary: 'Import a new image from a URL', body: NewTask } }, async (request, reply) => {
    const { type, input = {} } = request.body
    if (type !== 'import') throw errors.badField({ field: 'type', why: "must be 'import'" }, { field: 'type' })
    const { import_from: from, image_properties: properties } = input
    if (properties === undefined)
      throw errors.badField({ field: 'input.image_properties', why: 'is missing' }, { field: 'input.image_properties' })
    const caller = callerOf(request)
    const values = newImage({ disk_format: input.import_from_format ?? null, container_format: 'bare', ...properties }, caller)
    if (values['disk_format'] === null || values['container_format'] === null)
      throw errors.badField({ field: 'input.import_from_format', why: 'both formats of the image must be said' }, { field: 'input' })
    const uri = await sourceOf(context, from, 'input.import_from')
    const image = await data.image_create(caller, { values: { ...values, status: 'queued' } })
    const task = await data.import_begin(caller, {
      image_id: image.id,
      method: 'web-download',
      stores: [stores.default.id],
      all_must_succeed: true,
      uri,
      task_type: 'import',
    })
    return reply.code(201).header('location', `/v2/tasks/${task.id}`).send(taskToWire(task))
  })

  app.get('/v2/tasks', { config, schema: { summary: 'List tasks' } }, async (request) => {
    const query = queryOf(request)
    const limit = query.get('limit') ?? String(limitDefault)
    if (!/^\d{1,9}$/.test(limit)) throw errors.badRequest({ why: 'limit must be a whole number that is not negative.' })
    const marker = query.get('marker')
    if (marker !== null && !/^[0-9a-f-]{36}$/.test(marker)) throw errors.badRequest({ why: 'The marker is not the id of a task.' })
    const [key, direction, status] = [query.get('sort_key') ?? 'created_at', query.get('sort_dir') ?? 'desc', query.get('status')]
    if (!sortable.includes(key)) throw errors.badRequest({ why: `sort_key must be one of ${sortable.join(', ')}.` })
    if (direction !== 'asc' && direction !== 'desc') throw errors.badRequest({ why: 'sort_dir must be asc or desc.' })
    if (status !== null && !statuses.includes(status)) throw errors.badRequest({ why: `status must be one of ${statuses.join(', ')}.` })
    const most = Math.min(Number(limit), limitMost)
    const tasks = await data.task_get_all(callerOf(request), {
      filters: { status, type: query.get('type') },
      marker,
      limit: most,
      sort_key: key,
      sort_dir: direction,
    })
    return { tasks: tasks.map(taskStubToWire), ...linksOf('/v2/tasks', query, tasks, most), schema: '/v2/schemas/tasks' }
  })

  app.get('/v2/tasks/:task_id', { config, schema: { summary: 'Show a task', params: TaskParams } }, async (request) =>
    taskToWire(await data.task_get(callerOf(request), { task_id: request.params.task_id })),
  )
}
