import { isForeignKeyViolation, isUniqueViolation } from '@murmuration/data'
import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { errors, invalidField } from '../errors.ts'
import { nameProblem } from '../rules/names.ts'
import { claim, type Asker } from '../store/claims.ts'
import {
  countMembers,
  defaultGroupId,
  deleteGroup,
  findGroup,
  insertGroup,
  listGroups,
  updateGroup,
  type GroupColumns,
  type GroupRow,
} from '../store/groups.ts'
import { groupToWire } from '../wire/group.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { bound } from './refs.ts'
import { Group, Subcloud } from './schemas.ts'
import { ListQuery, listText, sendJson } from './subclouds.ts'

/** Numbers may come as texts: the stock client sends some so. */
const count = Type.Union([Type.Integer({ minimum: 1, maximum: 5000 }), Type.String({ pattern: '^[0-9]{1,4}$' })])
const members = {
  name: Type.String(),
  description: Type.String({ minLength: 1, maxLength: 254 }),
  update_apply_type: Type.Union([Type.Literal('parallel'), Type.Literal('serial')]),
  max_parallel_subclouds: count,
}
const GroupAdd = Type.Object(
  { ...members, group_ref: Type.Optional(Type.String()) },
  { title: 'SubcloudGroupAdd', additionalProperties: false },
)
const GroupUpdate = Type.Object(
  { ...Type.Partial(Type.Object(members)).properties, group_ref: Type.Optional(Type.String()) },
  { title: 'SubcloudGroupUpdate', additionalProperties: false },
)
const GroupListQuery = Type.Object({
  group_ref: Type.Optional(Type.String({ description: 'Shows this group, as the path form does.' })),
})
const GroupParams = Type.Object({ group_ref: Type.String({ description: 'Id or name.' }) })
const GroupVerbParams = Type.Object({ group_ref: Type.String(), verb: Type.String() })
const subclouds = { 200: Type.Object({ subclouds: Type.Array(Subcloud) }) }

/** Subcloud groups (reference dcmanager §1.11). */
export function groupRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  const get = { policy: 'dc_api:subcloud_groups:get' }

  app.get(
    '/v1.0/subcloud-groups',
    {
      config: get,
      schema: {
        summary: 'List subcloud groups',
        querystring: GroupListQuery,
        response: { 200: Type.Object({ subcloud_groups: Type.Array(Group) }) },
      },
    },
    async (request): Promise<object> => {
      if (request.query.group_ref !== undefined) return groupToWire(await groupOf(context, request))
      return { subcloud_groups: (await listGroups(desk.database)).map(groupToWire) }
    },
  )
  app.get(
    '/v1.0/subcloud-groups/:group_ref',
    { config: get, schema: { summary: 'Show a subcloud group', params: GroupParams, response: { 200: Group } } },
    async (request) => groupToWire(await groupOf(context, request)),
  )
  app.get(
    '/v1.0/subcloud-groups/:group_ref/:verb',
    {
      config: get,
      schema: { summary: 'List the subclouds of a group', params: GroupVerbParams, querystring: ListQuery, response: subclouds },
    },
    async (request, reply) => {
      const group = await groupOf(context, request)
      return sendJson(reply, await listText(context, request.query, { groupId: group.id }))
    },
  )

  app.post(
    '/v1.0/subcloud-groups',
    {
      config: { policy: 'dc_api:subcloud_groups:create' },
      schema: { summary: 'Create a subcloud group', body: GroupAdd, response: { 200: Group } },
    },
    async (request, reply) =>
      accept(desk, request, reply, request.body, async (asker) => {
        const columns = columnsOf(request.body) as GroupColumns
        return answerOf(await unique(columns.name, () => claim(desk, asker, answerOf, (tx) => insertGroup(tx, desk.world, columns))))
      }),
  )
  const patch = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = (request.body ?? {}) as Static<typeof GroupUpdate>
    return accept(desk, request, reply, body, async (asker) => {
      const { id } = await groupOf(context, request, body.group_ref)
      return update(context, id, columnsOf(body), asker)
    })
  }
  const modify = { policy: 'dc_api:subcloud_groups:modify' }
  app.patch(
    '/v1.0/subcloud-groups/:group_ref',
    { config: modify, schema: { summary: 'Update a subcloud group', params: GroupParams, body: GroupUpdate, response: { 200: Group } } },
    patch,
  )
  app.patch('/v1.0/subcloud-groups', { config: modify, schema: { hide: true, body: GroupUpdate } }, patch)

  const remove = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    return accept(desk, request, reply, {}, async (asker) => {
      const { id } = await groupOf(context, request)
      return removeGroup(context, id, asker)
    })
  }
  const config = { policy: 'dc_api:subcloud_groups:delete' }
  app.delete(
    '/v1.0/subcloud-groups/:group_ref',
    { config, schema: { summary: 'Delete a subcloud group', params: GroupParams, response: { 200: Type.Null() } } },
    remove,
  )
  app.delete('/v1.0/subcloud-groups', { config, schema: { hide: true } }, remove)
}

const answerOf = (row: GroupRow): string => JSON.stringify(groupToWire(row))

async function groupOf(context: ApiContext, request: FastifyRequest, body?: string): Promise<GroupRow> {
  const ref = bound(request, 'group_ref', body)
  const row = ref === undefined || ref.length > 255 ? undefined : await findGroup(context.desk.database, ref)
  if (row === undefined) throw errors.groupNotFound()
  return row
}

function columnsOf(body: Static<typeof GroupUpdate>): Partial<GroupColumns> {
  const { group_ref: _, max_parallel_subclouds: most, ...columns } = body
  if (columns.name !== undefined) {
    const problem = nameProblem(columns.name, 'group')
    if (problem !== undefined) throw invalidField('name', problem)
    if (columns.name.toLowerCase() === 'default') throw errors.groupDefaultName({}, { field: 'name' })
  }
  if (most === undefined) return columns
  const number = Number(most)
  if (number < 1 || number > 5000) throw invalidField('max_parallel_subclouds', 'must be a whole number from 1 to 5000')
  return { ...columns, max_parallel_subclouds: number }
}

/** 400, as the original answers on POST (on PATCH it fell over). */
async function unique<T>(name: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (name !== undefined && isUniqueViolation(error) && !/idempotency/.test(error.constraint ?? ''))
      throw errors.groupNameTaken({ name }, { field: 'name' })
    throw error
  }
}

async function update(context: ApiContext, id: number, columns: Partial<GroupColumns>, asker: Asker): Promise<string> {
  const { desk } = context
  if (Object.keys(columns).length === 0) throw errors.nothingToUpdate()
  if (id === defaultGroupId && columns.name !== undefined) throw errors.groupDefaultName({}, { field: 'name' })
  const row = await unique(columns.name, () =>
    claim(desk, asker, answerOf, async (tx) => {
      const written = await updateGroup(tx, desk.world, id, columns)
      if (written === undefined) throw errors.groupNotFound()
      return written
    }),
  )
  return answerOf(row)
}

async function removeGroup(context: ApiContext, id: number, asker: Asker): Promise<string> {
  if (id === defaultGroupId) throw errors.groupDefaultName()
  const answer = 'null'
  try {
    await claim(
      context.desk,
      asker,
      () => answer,
      async (tx) => {
        const count = await countMembers(tx, id)
        if (count > 0) throw errors.groupNotEmpty({ count })
        if (!(await deleteGroup(tx, id))) throw errors.groupNotFound()
      },
    )
  } catch (error) {
    // A subcloud that joined between the count and the delete keeps the group.
    if (isForeignKeyViolation(error)) throw errors.groupNotEmpty({ count: 1 })
    throw error
  }
  return answer
}
