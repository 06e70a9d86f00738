import { isForeignKeyViolation, isUniqueViolation, type Transaction } from '@murmuration/data'
import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { errors, invalidField } from '../errors.ts'
import { nameProblem } from '../rules/names.ts'
import { countMembersByState } from '../rules/peer-groups.ts'
import { readAssociationFacts } from '../store/associations.ts'
import { claim, requireQuietPeerGroup, type Asker } from '../store/claims.ts'
import {
  countPeerGroupMembers,
  deletePeerGroup,
  findPeerGroup,
  insertPeerGroup,
  listPeerGroups,
  type PeerGroupColumns,
  type PeerGroupRow,
} from '../store/peer-groups.ts'
import { countMigrationMembers } from '../store/migration-members.ts'
import type { Schema } from '../store/schema.ts'
import { peerGroupToWire } from '../wire/peer-group.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { localSystem } from './local-system.ts'
import { givenOf, numberWithin, numeric, uuidIn } from './members.ts'
import { auditPeerGroup, PeerGroupAudit } from './peer-group-audit.ts'
import { updatePeerGroupByBody } from './peer-group-update.ts'
import { hasPeerPrivileges, toldRevision } from './peer-privileges.ts'
import { bound } from './refs.ts'
import { PeerGroup, PeerGroupChanged, PeerGroupStatus, Subcloud } from './schemas.ts'
import { ListQuery, memberListText, sendJson } from './subclouds.ts'

/** Requests are kebab-case, replies snake_case (reference dcmanager §1.5, §1.12); `migration_status` alone is snake_case in both. */
const optionalMembers = {
  'group-priority': Type.Optional(numeric('0 to 65536; default 0: this site owns the group.')),
  'group-state': Type.Optional(
    Type.Union([Type.Literal('enabled'), Type.Literal('disabled')], { description: 'disabled: policy rehome leaves it alone.' }),
  ),
  'max-subcloud-rehoming': Type.Optional(numeric('Subclouds that migrate at a time, 1 to 250; default 10.')),
  'system-leader-id': Type.Optional(Type.String({ description: 'System UUID; default: this controller.' })),
  'system-leader-name': Type.Optional(Type.String({ description: 'Default: this controller.' })),
  group_ref: Type.Optional(Type.String()),
}
const PeerGroupAdd = Type.Object(
  { 'peer-group-name': Type.String(), ...optionalMembers },
  { title: 'SubcloudPeerGroupAdd', additionalProperties: false },
)
export const PeerGroupUpdate = Type.Object(
  {
    'peer-group-name': Type.Optional(Type.String()),
    ...optionalMembers,
    migration_status: Type.Optional(
      Type.Union([Type.Literal('migrating'), Type.Literal('complete'), Type.Literal('none'), Type.Null()], {
        description: 'none and null clear it.',
      }),
    ),
  },
  { title: 'SubcloudPeerGroupUpdate', additionalProperties: false },
)
export type PeerGroupBody = Static<typeof PeerGroupUpdate>

const Params = Type.Object({ group_ref: Type.String({ description: 'Id or name.' }) })
const VerbParams = Type.Object({ group_ref: Type.String(), verb: Type.String() })
const GroupQuery = Type.Object({ group_ref: Type.Optional(Type.String({ description: 'Shows this group, as the path form does.' })) })
const members = Type.Object({ subclouds: Type.Array(Subcloud) })

/** Subcloud peer groups (reference dcmanager §1.12); migrate has a file of its own. */
export function peerGroupRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  readRoutes(app, context)

  app.post(
    '/v1.0/subcloud-peer-groups',
    {
      config: { policy: 'dc_api:subcloud_peer_groups:create' },
      schema: { summary: 'Create a subcloud peer group', body: PeerGroupAdd, response: { 200: PeerGroup } },
    },
    (request, reply) => accept(desk, request, reply, request.body, (asker) => add(context, request.body, asker)),
  )

  const modify = { policy: 'dc_api:subcloud_peer_groups:modify' }
  const patch = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = (request.body ?? {}) as PeerGroupBody
    return accept(desk, request, reply, body, async (asker) => {
      const group = await peerGroupOf(context, request, body.group_ref)
      const columns = columnsOf(body)
      return unique(columns, async () =>
        updatePeerGroupByBody(context, group, columns, {
          asker,
          byPeer: await hasPeerPrivileges(context, request),
          revision: await toldRevision(context, request),
        }),
      )
    })
  }
  app.patch(
    '/v1.0/subcloud-peer-groups/:group_ref',
    {
      config: modify,
      schema: { summary: 'Update a subcloud peer group', params: Params, body: PeerGroupUpdate, response: { 200: PeerGroupChanged } },
    },
    patch,
  )
  app.patch('/v1.0/subcloud-peer-groups', { config: modify, schema: { hide: true, body: PeerGroupUpdate } }, patch)

  app.patch(
    '/v1.0/subcloud-peer-groups/:group_ref/audit',
    {
      config: modify,
      schema: {
        summary: 'Tell of the state of a subcloud peer group on a peer',
        params: Params,
        body: PeerGroupAudit,
        response: { 200: Type.Object({ message: Type.Union([Type.String(), Type.Null()]) }) },
      },
    },
    async (request) => {
      const group = await peerGroupOf(context, request)
      return { message: await auditPeerGroup(context, group, request.body) }
    },
  )
  app.patch(
    '/v1.0/subcloud-peer-groups/:group_ref/:verb',
    { config: modify, schema: { hide: true, params: VerbParams } },
    async (request) => {
      await peerGroupOf(context, request)
      throw errors.unknownGroupVerb({ verb: request.params.verb.slice(0, 64), known: 'migrate, audit' })
    },
  )

  const remove = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    accept(desk, request, reply, {}, async (asker) => removePeerGroup(context, (await peerGroupOf(context, request)).id, asker))
  const config = { policy: 'dc_api:subcloud_peer_groups:delete' }
  app.delete(
    '/v1.0/subcloud-peer-groups/:group_ref',
    { config, schema: { summary: 'Delete a subcloud peer group', params: Params, response: { 200: Type.Null() } } },
    remove,
  )
  app.delete('/v1.0/subcloud-peer-groups', { config, schema: { hide: true } }, remove)
}

function readRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  const get = { policy: 'dc_api:subcloud_peer_groups:get' }
  app.get(
    '/v1.0/subcloud-peer-groups',
    {
      config: get,
      schema: {
        summary: 'List subcloud peer groups',
        querystring: GroupQuery,
        response: { 200: Type.Object({ subcloud_peer_groups: Type.Array(PeerGroup) }) },
      },
    },
    async (request): Promise<object> => {
      if (request.query.group_ref !== undefined) return peerGroupToWire(await peerGroupOf(context, request))
      return { subcloud_peer_groups: (await listPeerGroups(desk.database)).map(peerGroupToWire) }
    },
  )
  app.get(
    '/v1.0/subcloud-peer-groups/:group_ref',
    { config: get, schema: { summary: 'Show a subcloud peer group', params: Params, response: { 200: PeerGroup } } },
    async (request) => peerGroupToWire(await peerGroupOf(context, request)),
  )
  app.get(
    '/v1.0/subcloud-peer-groups/:group_ref/subclouds',
    {
      config: get,
      schema: { summary: 'List the subclouds of a peer group', params: Params, querystring: ListQuery, response: { 200: members } },
    },
    async (request, reply) => {
      const group = await peerGroupOf(context, request)
      const whole = await hasPeerPrivileges(context, request)
      return sendJson(reply, await memberListText(context, request.query, group.id, whole))
    },
  )
  app.get(
    '/v1.0/subcloud-peer-groups/:group_ref/status',
    {
      config: get,
      schema: { summary: 'Count the subclouds of a peer group by state', params: Params, response: { 200: PeerGroupStatus } },
    },
    async (request) => {
      const group = await peerGroupOf(context, request)
      const counts = countMembersByState(await countPeerGroupMembers(desk.database, group.id))
      const migration = await countMigrationMembers(desk.database, group.id)
      return {
        peer_group_id: group.id,
        peer_group_name: group.peer_group_name,
        ...counts,
        ...(migration === undefined ? {} : { migration: { status: group.migration_status, ...migration } }),
      }
    },
  )
  app.get('/v1.0/subcloud-peer-groups/:group_ref/:verb', { config: get, schema: { hide: true, params: VerbParams } }, async (request) => {
    await peerGroupOf(context, request)
    throw errors.unknownGroupVerb({ verb: request.params.verb.slice(0, 64), known: 'subclouds, status' })
  })
}

const answerOf = (row: PeerGroupRow): string => JSON.stringify(peerGroupToWire(row))

export async function peerGroupOf(context: ApiContext, request: FastifyRequest, body?: string): Promise<PeerGroupRow> {
  const ref = bound(request, 'group_ref', body)
  const row = ref === undefined || ref.length > 255 ? undefined : await findPeerGroup(context.desk.database, ref)
  if (row === undefined) throw errors.peerGroupNotFound()
  return row
}

function columnsOf(body: PeerGroupBody): Partial<PeerGroupColumns> {
  const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value)
  const name = text(body['peer-group-name'])
  const leaderName = text(body['system-leader-name'])
  if (name !== undefined) {
    const problem = nameProblem(name, 'group')
    if (problem !== undefined) throw invalidField('peer-group-name', problem)
    if (name.toLowerCase() === 'none') throw errors.peerGroupNameNone({}, { field: 'peer-group-name' })
  }
  const leaderProblem = leaderName === undefined ? undefined : nameProblem(leaderName, 'system')
  if (leaderProblem !== undefined) throw invalidField('system-leader-name', leaderProblem)
  return givenOf({
    peer_group_name: name,
    group_priority: numberWithin('group-priority', body['group-priority'], 0, 65_536),
    group_state: body['group-state'],
    max_subcloud_rehoming: numberWithin('max-subcloud-rehoming', body['max-subcloud-rehoming'], 1, 250),
    system_leader_id: uuidIn('system-leader-id', text(body['system-leader-id'])),
    system_leader_name: leaderName,
    migration_status: body.migration_status === 'none' ? null : body.migration_status,
  })
}

async function add(context: ApiContext, body: PeerGroupBody, asker: Asker): Promise<string> {
  const { desk } = context
  const given = columnsOf(body)
  if (given.peer_group_name === undefined) throw invalidField('peer-group-name', 'is missing')
  const needsSystem = given.system_leader_id === undefined || given.system_leader_name === undefined
  const here = needsSystem ? await localSystem(context) : undefined
  const columns: PeerGroupColumns = {
    peer_group_name: given.peer_group_name,
    group_priority: given.group_priority ?? 0,
    group_state: given.group_state ?? 'enabled',
    max_subcloud_rehoming: given.max_subcloud_rehoming ?? 10,
    system_leader_id: given.system_leader_id ?? here!.uuid,
    system_leader_name: given.system_leader_name ?? here!.name,
    migration_status: null,
  }
  return unique(columns, async () => answerOf(await claim(desk, asker, answerOf, (tx) => insertPeerGroup(tx, desk.world, columns))))
}

async function removePeerGroup(context: ApiContext, id: number, asker: Asker): Promise<string> {
  const { desk } = context
  const answer = 'null'
  const remove = async (tx: Transaction<Schema>): Promise<void> => {
    if ((await readAssociationFacts(tx, { peerGroupIds: [id] })).length > 0) throw errors.peerGroupAssociated()
    await requireQuietPeerGroup(tx, id)
    if (!(await deletePeerGroup(tx, desk.world, id))) throw errors.peerGroupNotFound()
  }
  try {
    await claim(desk, asker, () => answer, remove)
  } catch (error) {
    if (isForeignKeyViolation(error)) throw errors.peerGroupAssociated()
    throw error
  }
  return answer
}

async function unique<T>(columns: Partial<PeerGroupColumns>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (columns.peer_group_name !== undefined && isUniqueViolation(error) && /peer_group_name/.test(error.constraint ?? ''))
      throw errors.peerGroupNameTaken({ name: columns.peer_group_name }, { field: 'peer-group-name' })
    throw error
  }
}
