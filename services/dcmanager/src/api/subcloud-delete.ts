import type { Queryable } from '@murmuration/data'
import { readJobs } from '@murmuration/jobs'
import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { requireDeletable } from '../rules/management.ts'
import type { DeleteInput } from '../rules/operations.ts'
import { claim, enqueueOperation, requireQuietPeerGroup, requireRow, type Asker } from '../store/claims.ts'
import { readPeerGroup } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { readSubcloud, type SubcloudRow } from '../store/subclouds.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'
import { requireQuietController } from './values.ts'
import { subcloudOf } from './refs.ts'
import { SubcloudParams } from './schemas.ts'

/** DELETE subclouds (reference dcmanager §1.7, §4.10): accepted as a job, answered when it is done or patience ends. */
export function deleteSubcloudRoutes(app: App, context: ApiContext): void {
  const handler = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    accept(context.desk, request, reply, {}, async (asker) => {
      const byPeer = await hasPeerPrivileges(context, request)
      return remove(context, await subcloudOf(context.desk, request), asker, byPeer)
    })
  const schema = { summary: 'Delete a subcloud', params: SubcloudParams, response: { 200: Type.Null() } }
  const config = { policy: 'dc_api:subclouds:delete' }
  app.delete('/v1.0/subclouds/:subcloud_ref', { config, schema }, handler)
  app.delete('/v1.0/subclouds', { config, schema: { hide: true } }, handler)
}

async function remove(context: ApiContext, subcloud: SubcloudRow, asker: Asker, byPeer: boolean): Promise<string> {
  const { desk } = context
  const { id } = subcloud
  // Told first, since it is mended first; asked again where it counts, in the claim.
  requireDeletable(subcloud, { byPeer, ...(await membership(desk.database, subcloud)) })
  await requireQuietController(context, 'softwareBusyLate')
  const jobId = await claim(
    desk,
    asker,
    () => 'null',
    async (tx) => {
      const row = await requireRow(tx, id)
      requireDeletable(row, { byPeer, ...(await membership(tx, row)) })
      // A peer that takes its standby copies away, while they are on their way here.
      if (row.peer_group_id !== null) await requireQuietPeerGroup(tx, row.peer_group_id)
      return enqueueOperation<DeleteInput>(desk, tx, asker, 'subcloud.delete', id, { subcloudId: id, regionName: row.region_name })
    },
  )
  await context.waitForJob(jobId)
  const [job] = await readJobs(desk.database, { ids: [jobId] })
  // Once the row is gone the subcloud is; what is left of its files is swept by the manager.
  if (job?.state === 'failed' && (await readSubcloud(desk.database, id)) !== undefined)
    throw errors.operationFailed({ operation: 'delete', why: 'the operation failed', id })
  return 'null'
}

async function membership(db: Queryable<Schema>, row: SubcloudRow): Promise<{ peerGroup?: string }> {
  const group = row.peer_group_id === null ? undefined : await readPeerGroup(db, row.peer_group_id)
  return group === undefined ? {} : { peerGroup: group.peer_group_name }
}
