import { readPage, type App } from '@murmuration/http'
import { InvalidMarker, type Page } from '@murmuration/data'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { errors } from '../errors.ts'
import { allDeployStatuses, type DeployStatus } from '../rules/lifecycle.ts'
import { standbyCopiesOffer } from '../rules/standby-copies.ts'
import { rehomeDataForPeer, shownRehomeData } from '../rules/rehome-data.ts'
import { findGroup } from '../store/groups.ts'
import { readRehomeData } from '../store/rehome-data.ts'
import {
  listSubclouds,
  sortColumns,
  statusesOf,
  unknownStatuses,
  type SubcloudFilter,
  type SubcloudWithStatuses,
} from '../store/subcloud-list.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import { shownSubcloud, subcloudListText, subcloudToWire } from '../wire/subcloud.ts'
import { unknownDetail } from '../work/live-detail.ts'
import type { ApiContext } from './context.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'
import { bound, isCertMonitor, subcloudOf } from './refs.ts'
import { shownRehomeDataOf } from './rehome-data.ts'
import { Subcloud, SubcloudParams, SubcloudVerbParams } from './schemas.ts'

const short = { maxLength: 255 }
/** All optional and new: without any of them the list is the complete one that clients of the original expect. */
export const ListQuery = Type.Object({
  limit: Type.Optional(Type.String({ description: 'Subclouds of a page, 1 to 1000. The answer has `next` when there are more.' })),
  marker: Type.Optional(Type.String({ description: '`next` of the page before.' })),
  sort: Type.Optional(Type.String({ description: `For example \`name:desc\`. Keys: ${Object.keys(sortColumns).join(', ')}.` })),
  name: Type.Optional(Type.String(short)),
  'region-name': Type.Optional(Type.String(short)),
  'management-state': Type.Optional(Type.Union([Type.Literal('managed'), Type.Literal('unmanaged')])),
  'availability-status': Type.Optional(Type.Union([Type.Literal('online'), Type.Literal('offline')])),
  'deploy-status': Type.Optional(Type.String({ maxLength: 1024, description: 'One status, or several parted by commas.' })),
  'software-version': Type.Optional(Type.String(short)),
  sync_status: Type.Optional(Type.Union([Type.Literal('in-sync'), Type.Literal('out-of-sync'), Type.Literal('unknown')])),
  group_id: Type.Optional(Type.String({ ...short, description: 'Id or name of a group.' })),
  q: Type.Optional(Type.String({ ...short, description: 'Stands in name, description or location; no patterns.' })),
  subcloud_ref: Type.Optional(Type.String({ description: 'Shows this subcloud, as the path form does.' })),
  verb: Type.Optional(Type.String({ description: 'With subcloud_ref: detail.' })),
})

const ListAnswer = Type.Object({ subclouds: Type.Array(Subcloud), next: Type.Optional(Type.String()) })
const config = { policy: 'dc_api:subclouds:get' }

/** GET subclouds (reference dcmanager §1.7). */
export function subcloudRoutes(app: App, context: ApiContext): void {
  app.get(
    '/v1.0/subclouds',
    { config, schema: { summary: 'List subclouds', querystring: ListQuery, response: { 200: ListAnswer } } },
    async (request, reply) => {
      const { query } = request
      if (query.subcloud_ref !== undefined) return show(context, request, reply)
      return sendJson(reply, await listText(context, query, {}, isCertMonitor(request)))
    },
  )
  app.get(
    '/v1.0/subclouds/:subcloud_ref',
    { config, schema: { summary: 'Show a subcloud', params: SubcloudParams, response: { 200: Subcloud } } },
    (request, reply) => show(context, request, reply),
  )
  // Whatever the second segment is, as in the original; the words that mean something else have routes of their own.
  app.get(
    '/v1.0/subclouds/:subcloud_ref/:verb',
    { config, schema: { summary: 'Show a subcloud with what it says of itself', params: SubcloudVerbParams, response: { 200: Subcloud } } },
    (request, reply) => show(context, request, reply),
  )
}

async function show(context: ApiContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const row = await subcloudOf(context.desk, request)
  const statuses = (await statusesOf(context.desk.database, [row.id])).get(row.id) ?? unknownStatuses
  const shown = shownSubcloud(row, statuses, await shownRehomeDataOf(context, row, await hasPeerPrivileges(context, request)))
  if (bound(request, 'verb') === undefined) return sendJson(reply, JSON.stringify(shown))
  const live = row.availability_status === 'online' ? await context.liveDetail(row) : unknownDetail
  return sendJson(
    reply,
    JSON.stringify({
      ...shown,
      oam_floating_ip: live.oamFloatingIp,
      deploy_config_sync_status: live.deployConfigSyncStatus,
      region_name: row.region_name,
    }),
  )
}

/** The list as text; also of a group. */
export async function listText(
  context: ApiContext,
  query: Static<typeof ListQuery>,
  within: Pick<SubcloudFilter, 'groupId'>,
  byRegion = false,
): Promise<string> {
  const page = await listed(context, query, within)
  return page === undefined ? noSubclouds : subcloudListText(page, byRegion ? 'region' : 'name')
}

/** The members of a peer group, with their rehome data: whole for a peer, without secrets for others. */
export async function memberListText(
  context: ApiContext,
  query: Static<typeof ListQuery>,
  peerGroupId: number,
  whole: boolean,
): Promise<string> {
  const page = await listed(context, query, { peerGroupId })
  if (page === undefined) return noSubclouds
  const { database, keyring } = context.desk
  const payloads = await readRehomeData(
    database,
    keyring,
    page.rows.map(({ row }) => row.id),
  )
  const texts = new Map([...payloads].map(([id, payload]) => [id, whole ? rehomeDataForPeer(payload) : shownRehomeData(payload)]))
  return subcloudListText(page, 'name', texts, whole ? standbyCopiesOffer : undefined)
}

const noSubclouds = '{"subclouds":[]}'

/** Undefined when nothing can match. */
async function listed(
  context: ApiContext,
  query: Static<typeof ListQuery>,
  within: Pick<SubcloudFilter, 'groupId' | 'peerGroupId'>,
): Promise<Page<SubcloudWithStatuses> | undefined> {
  const filter = await filterOf(context, query)
  if (filter === undefined) return undefined
  const paged = query.limit !== undefined || query.marker !== undefined || query.sort !== undefined
  const page = paged ? readPage(query, { sortable: Object.keys(sortColumns), maxLimit: 1000, defaultLimit: 1000 }) : undefined
  try {
    return await listSubclouds(context.desk.database, { ...filter, ...within }, page)
  } catch (error) {
    if (!(error instanceof InvalidMarker)) throw error
    throw errors.queryInvalid(
      { field: 'marker', problem: 'is not one that this list returned for the same sort', remedy: 'Start again without it.' },
      { field: 'marker' },
    )
  }
}

/** Undefined when nothing can match: a group that does not exist has no members. */
async function filterOf(context: ApiContext, query: Static<typeof ListQuery>): Promise<SubcloudFilter | undefined> {
  const group = query.group_id === undefined ? undefined : await findGroup(context.desk.database, query.group_id)
  if (query.group_id !== undefined && group === undefined) return undefined
  return {
    ...(query.name === undefined ? {} : { name: query.name }),
    ...(query['region-name'] === undefined ? {} : { regionName: query['region-name'] }),
    ...(query['management-state'] === undefined ? {} : { managementState: query['management-state'] }),
    ...(query['availability-status'] === undefined ? {} : { availabilityStatus: query['availability-status'] }),
    ...(query['deploy-status'] === undefined ? {} : { deployStatus: deployStatuses(query['deploy-status']) }),
    ...(query['software-version'] === undefined ? {} : { softwareVersion: query['software-version'] }),
    ...(query.sync_status === undefined ? {} : { syncStatus: query.sync_status }),
    ...(group === undefined ? {} : { groupId: group.id }),
    ...(query.q === undefined || query.q === '' ? {} : { text: query.q }),
  }
}

function deployStatuses(text: string): DeployStatus[] {
  return text.split(',', 64).map((part) => {
    const status = allDeployStatuses.find((each) => each === part)
    if (status === undefined)
      throw errors.queryInvalid(
        {
          field: 'deploy-status',
          problem: 'names a status that does not exist',
          remedy: 'See the table of statuses in the operator guide.',
        },
        { field: 'deploy-status' },
      )
    return status
  })
}

export const sendJson = (reply: FastifyReply, text: string): FastifyReply => reply.type('application/json; charset=utf-8').send(text)

/** For lists that are small already. */
export const plainSubcloud = (row: SubcloudRow): object => subcloudToWire(row)
