import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { taskStubToWire, taskToWire } from '../wire/task.ts'
import { callerOf, type ApiContext } from './context.ts'
import { linksOf } from './images.ts'

const TaskParams = Type.Object({ task_id: Type.String() })
const sortable = ['id', 'type', 'status', 'created_at', 'updated_at', 'expires_at']
const statuses = ['pending', 'processing', 'success', 'failure']
const limitMost = 1000
const limitDefault = 25

/** Tasks, for administrators: they are made by imports, so none is made here (reference image §1.12). */
export function taskRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const config = { policy: 'tasks_api_access' }

  app.get('/v2/tasks', { config, schema: { summary: 'List tasks' } }, async (request) => {
    const query = new URLSearchParams(request.url.split('?', 2)[1] ?? '')
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
