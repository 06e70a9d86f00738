import { readJobs } from '@murmuration/jobs'
import type { App } from '@murmuration/http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { errors } from '../errors.ts'
import { associationStatuses, type AssociationStatus } from '../rules/vocabulary.ts'
import {
  claimAssociationDelete,
  claimAssociationSync,
  claimNewAssociation,
  requireAssociation,
  type ClaimedAssociation,
} from '../store/association-claims.ts'
import { readAssociation, readAssociationFacts, updateAssociation, type AssociationRecord } from '../store/associations.ts'
import { claim, type Asker } from '../store/claims.ts'
import { idOf, maxId } from '../store/subclouds.ts'
import { associationToWire } from '../wire/peer-group.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { localSystem } from './local-system.ts'
import { numberWithin, numeric } from './members.ts'
import { toldRevision } from './peer-privileges.ts'
import { bound } from './refs.ts'
import { Association } from './schemas.ts'

const priority = Type.Optional(numeric('Of the group on the peer, 1 to 65536.'))
const AssociationAdd = Type.Object(
  { peer_group_id: numeric('Id of a peer group.'), system_peer_id: numeric('Id of a system peer.'), peer_group_priority: priority },
  { title: 'PeerGroupAssociationAdd', additionalProperties: false },
)
const AssociationUpdate = Type.Object(
  {
    peer_group_priority: priority,
    sync_status: Type.Optional(
      Type.Union(
        associationStatuses.map((status) => Type.Literal(status)),
        { description: 'What the primary site reports.' },
      ),
    ),
    association_id: Type.Optional(Type.String()),
  },
  { title: 'PeerGroupAssociationUpdate', additionalProperties: false },
)
const Params = Type.Object({ association_id: Type.String({ description: 'Id.' }) })
const VerbParams = Type.Object({ association_id: Type.String(), verb: Type.String() })
const ListQuery = Type.Object({ association_id: Type.Optional(Type.String({ description: 'Shows this one, as the path form does.' })) })

/** Peer group associations (reference dcmanager §1.13). */
export function associationRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  const get = { policy: 'dc_api:peer_group_associations:get' }
  app.get(
    '/v1.0/peer-group-associations',
    {
      config: get,
      schema: {
        summary: 'List peer group associations',
        querystring: ListQuery,
        response: { 200: Type.Object({ peer_group_associations: Type.Array(Association) }) },
      },
    },
    async (request): Promise<object> => {
      if (request.query.association_id !== undefined) return associationToWire(await associationOf(context, request))
      const records = await readAssociationFacts(desk.database)
      return { peer_group_associations: records.map((record) => associationToWire(record, { listed: true })) }
    },
  )
  app.get(
    '/v1.0/peer-group-associations/:association_id',
    { config: get, schema: { summary: 'Show a peer group association', params: Params, response: { 200: Association } } },
    async (request) => associationToWire(await associationOf(context, request)),
  )

  app.post(
    '/v1.0/peer-group-associations',
    {
      config: { policy: 'dc_api:peer_group_associations:create' },
      schema: { summary: 'Associate a peer group with a system peer', body: AssociationAdd, response: { 200: Association } },
    },
    (request, reply) =>
      accept(desk, request, reply, request.body, async (asker) => {
        const { peer_group_id: group, system_peer_id: peer, peer_group_priority: given } = request.body
        const wanted = {
          peerGroupId: numberWithin('peer_group_id', group, 1, maxId)!,
          systemPeerId: numberWithin('system_peer_id', peer, 1, maxId)!,
          priority: numberWithin('peer_group_priority', given, 1, 65_536),
        }
        return answerOf(await claimNewAssociation(desk, asker, answerOf, wanted))
      }),
  )

  const modify = { policy: 'dc_api:peer_group_associations:modify' }
  const patch = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = (request.body ?? {}) as Static<typeof AssociationUpdate>
    const revision = await toldRevision(context, request)
    return accept(desk, request, reply, [body, revision], async (asker) => {
      const { association } = await associationOf(context, request, body.association_id)
      return update(context, association.id, body, revision, asker)
    })
  }
  app.patch(
    '/v1.0/peer-group-associations/:association_id',
    {
      config: modify,
      schema: { summary: 'Update a peer group association', params: Params, body: AssociationUpdate, response: { 200: Association } },
    },
    patch,
  )
  app.patch('/v1.0/peer-group-associations', { config: modify, schema: { hide: true, body: AssociationUpdate } }, patch)

  const sync = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    accept(desk, request, reply, {}, async (asker) => {
      const { association } = await associationOf(context, request)
      return withRefresh(context, async () => {
        const { uuid } = await localSystem(context)
        return answerOf(await claimAssociationSync(desk, asker, answerOf, association.id, { localSystemId: uuid }))
      })
    })
  const schema = { summary: 'Sync a peer group association', params: Params, response: { 200: Association } }
  app.patch('/v1.0/peer-group-associations/:association_id/sync', { config: modify, schema }, sync)
  // Whatever the second segment is, as in the original.
  app.patch('/v1.0/peer-group-associations/:association_id/:verb', { config: modify, schema: { hide: true, params: VerbParams } }, sync)

  const remove = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    accept(desk, request, reply, {}, async (asker) =>
      removeAssociation(context, (await associationOf(context, request)).association.id, asker, (message) => {
        void reply.header('murmuration-message', message)
      }),
    )
  const config = { policy: 'dc_api:peer_group_associations:delete' }
  app.delete(
    '/v1.0/peer-group-associations/:association_id',
    { config, schema: { summary: 'Delete a peer group association', params: Params, response: { 200: Type.Null() } } },
    remove,
  )
  app.delete('/v1.0/peer-group-associations', { config, schema: { hide: true } }, remove)
}

const answerOf = ({ record }: Pick<ClaimedAssociation, 'record'>): string => JSON.stringify(associationToWire(record))

async function associationOf(context: ApiContext, request: FastifyRequest, body?: string): Promise<AssociationRecord> {
  const ref = bound(request, 'association_id', body) ?? ''
  if (!/^[0-9]+$/.test(ref)) throw errors.associationRefInvalid({}, { field: 'association_id' })
  const id = idOf(ref)
  const record = id === undefined ? undefined : await readAssociation(context.desk.database, id)
  if (record === undefined) throw errors.associationNotFound()
  return record
}

/** A request of the wrong type makes the monitor look all the same (reference §1.13): somebody thinks that something is not as it should be. */
async function withRefresh<T>(context: ApiContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    context.desk.wakeManagers()
    throw error
  }
}

/** Exactly one of the two: a new priority (here, where the group is owned) or what the owner's site reports (on the other). */
async function update(
  context: ApiContext,
  id: number,
  body: Static<typeof AssociationUpdate>,
  revision: number | undefined,
  asker: Asker,
): Promise<string> {
  const { desk } = context
  const wanted = numberWithin('peer_group_priority', body.peer_group_priority, 1, 65_536)
  const status = body.sync_status as AssociationStatus | undefined
  if ((wanted === undefined) === (status === undefined)) throw errors.associationMembers()
  return withRefresh(context, async () => {
    if (wanted !== undefined) {
      const { uuid } = await localSystem(context)
      const claimed = await claimAssociationSync(desk, asker, answerOf, id, { localSystemId: uuid, priority: wanted })
      // The peer's copy has the new priority when this returns, as in the original; or the status says that it has not.
      await context.waitForJob(claimed.jobId!)
      return answerOf({ record: (await readAssociation(desk.database, id)) ?? claimed.record })
    }
    return answerOf(await claim(desk, asker, answerOf, async (tx) => ({ record: await report(context, tx, id, status!, revision) })))
  })
}

async function report(
  { desk }: ApiContext,
  tx: Parameters<typeof requireAssociation>[0],
  id: number,
  status: AssociationStatus,
  revision: number | undefined,
): Promise<AssociationRecord> {
  const { association, peer } = await requireAssociation(tx, id)
  if (association.association_type === 'primary') throw errors.associationNotNonPrimary({}, { field: 'sync_status' })
  await updateAssociation(tx, desk.world, id, {
    reported_status: status,
    reported_message: status === 'failed' ? `The sync from the primary site (${peer.peer_name}) to this site failed.` : null,
    ...(revision === undefined ? {} : { synced_revision: revision }),
  })
  tx.afterCommit(() => desk.wakeManagers())
  return requireAssociation(tx, id)
}

/**
 * Primary: waits for the peer to be told; a failure keeps the association and says why (the original answered 200 in one of these
 * cases, with the row still there). How it went is told beside the answer, which has no place for it: subclouds may be left there.
 */
async function removeAssociation(context: ApiContext, id: number, asker: Asker, tell: (message: string) => void): Promise<string> {
  const { desk } = context
  const jobId = await claimAssociationDelete(desk, asker, () => 'null', id)
  if (jobId === undefined) return 'null'
  await context.waitForJob(jobId)
  const [job] = await readJobs(desk.database, { ids: [jobId] })
  if (job?.state === 'failed' && (await readAssociation(desk.database, id)) !== undefined)
    throw errors.associationDeleteFailed({ why: job.error ?? 'the operation failed' })
  // A header: names are ASCII by their rule, and a message of a peer would be cut to what is.
  if (job?.state === 'done' && job.progress !== null) tell(job.progress.replaceAll(/[^ -~]/g, '?'))
  return 'null'
}
