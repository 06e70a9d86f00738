import { isForeignKeyViolation, isUniqueViolation, type Transaction } from '@murmuration/data'
import type { App } from '@murmuration/http'
import { Secret, type Keyring } from '@murmuration/trust'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type, type Static, type TSchema } from 'typebox'
import { errors, invalid, invalidField } from '../errors.ts'
import { nameProblem } from '../rules/names.ts'
import { decodeBase64 } from '../rules/problems.ts'
import type { Takeover } from '../rules/takeover.ts'
import { heartbeatFailurePolicies } from '../rules/vocabulary.ts'
import { announceGatewayChange, readAssociationFacts } from '../store/associations.ts'
import { claim, type Asker, type Desk } from '../store/claims.ts'
import { peerGroupsOfPeer } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import {
  deleteSystemPeer,
  findSystemPeer,
  insertSystemPeer,
  listSystemPeers,
  peerSecretContext,
  readSystemPeer,
  updateSystemPeer,
  type PeerSecret,
  type SystemPeerColumns,
  type SystemPeerRow,
} from '../store/system-peers.ts'
import { readTakeovers } from '../store/takeovers.ts'
import { peerGroupToWire } from '../wire/peer-group.ts'
import { systemPeerToWire } from '../wire/system-peer.ts'
import { accept } from './accept.ts'
import type { ApiContext } from './context.ts'
import { givenOf, numberWithin, numeric, uuidIn } from './members.ts'
import { bound } from './refs.ts'
import { PeerGroup, SystemPeer, SystemPeerChanged } from './schemas.ts'
import { syncAdvice } from './sync-advice.ts'
import { addressProblems } from './values.ts'

const oneOf = (values: readonly string[], description: string): TSchema =>
  Type.Union(
    values.map((value) => Type.Literal(value)),
    { description },
  )

/** Requests are snake_case (reference dcmanager §1.5, §1.14). */
const members = {
  peer_uuid: Type.String({ description: 'System UUID of the other system controller.' }),
  peer_name: Type.String({ description: 'Name under which it is shown here.' }),
  manager_endpoint: Type.String({ description: 'URL of its Keystone.' }),
  manager_username: Type.String({ description: 'Account there. Requests with this account have the privileges of a peer here.' }),
  manager_password: Type.String({ description: 'Base64.' }),
  peer_controller_gateway_address: Type.String({ description: 'Gateway that subclouds use on the peer.' }),
}
const optionalMembers = {
  administrative_state: Type.Optional(oneOf(['enabled', 'disabled'], 'Kept, without effect.')),
  heartbeat_interval: Type.Optional(numeric('Seconds, 10 to 600; default 60.')),
  heartbeat_failure_threshold: Type.Optional(numeric('Failures in a row, 1 to 30; default 3.')),
  heartbeat_failure_policy: Type.Optional(oneOf(heartbeatFailurePolicies, 'Default alarm; delegate behaves as alarm.')),
  heartbeat_maintenance_timeout: Type.Optional(
    numeric('Seconds, 300 to 36000; default 600: how long it is away before policy rehome begins.'),
  ),
  rehome_sysadmin_password: Type.Optional(
    Type.String({ description: 'Base64 of the password with which policy rehome logs in to subclouds; empty takes it back. New.' }),
  ),
  peer_ref: Type.Optional(Type.String()),
}
const PeerAdd = Type.Object({ ...members, ...optionalMembers }, { title: 'SystemPeerAdd', additionalProperties: false })
const PeerUpdate = Type.Object(
  { ...Type.Partial(Type.Object(members)).properties, ...optionalMembers },
  { title: 'SystemPeerUpdate', additionalProperties: false },
)
type Body = Static<typeof PeerUpdate>
const Params = Type.Object({ peer_ref: Type.String({ description: 'Id, system UUID or name.' }) })
const VerbParams = Type.Object({ peer_ref: Type.String(), verb: Type.String() })
const ListQuery = Type.Object({ peer_ref: Type.Optional(Type.String({ description: 'Shows this peer, as the path form does.' })) })
const groupsOf = Type.Object({ subcloud_peer_groups: Type.Array(PeerGroup) })

/** System peers (reference dcmanager §1.14). */
export function systemPeerRoutes(app: App, context: ApiContext): void {
  const { desk } = context
  const get = { policy: 'dc_api:system_peers:get' }
  app.get(
    '/v1.0/system-peers',
    {
      config: get,
      schema: {
        summary: 'List system peers',
        querystring: ListQuery,
        response: { 200: Type.Object({ system_peers: Type.Array(SystemPeer) }) },
      },
    },
    async (request): Promise<object> => {
      if (request.query.peer_ref !== undefined) return shown(context, await peerOf(context, request))
      const rows = await listSystemPeers(desk.database)
      const takeovers = await readTakeovers(desk.database, rows, desk.world.clock.nowMs())
      return { system_peers: rows.map((row, index) => systemPeerToWire(row, takeovers[index]!)) }
    },
  )
  app.get(
    '/v1.0/system-peers/:peer_ref',
    { config: get, schema: { summary: 'Show a system peer', params: Params, response: { 200: SystemPeer } } },
    async (request) => shown(context, await peerOf(context, request)),
  )
  // Whatever the second segment is, as in the original.
  app.get(
    '/v1.0/system-peers/:peer_ref/:verb',
    { config: get, schema: { summary: 'List the peer groups of a system peer', params: VerbParams, response: { 200: groupsOf } } },
    async (request) => {
      const peer = await peerOf(context, request)
      return { subcloud_peer_groups: (await peerGroupsOfPeer(desk.database, peer.id)).map(peerGroupToWire) }
    },
  )

  app.post(
    '/v1.0/system-peers',
    {
      config: { policy: 'dc_api:system_peers:create' },
      schema: { summary: 'Add a system peer', body: PeerAdd, response: { 200: SystemPeerChanged } },
    },
    (request, reply) => accept(desk, request, reply, request.body, (asker) => add(context, request.body, asker)),
  )

  const patch = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = (request.body ?? {}) as Body
    return accept(desk, request, reply, body, async (asker) => {
      const { id } = await peerOf(context, request, body.peer_ref)
      return update(context, id, body, asker)
    })
  }
  const modify = { policy: 'dc_api:system_peers:modify' }
  app.patch(
    '/v1.0/system-peers/:peer_ref',
    { config: modify, schema: { summary: 'Update a system peer', params: Params, body: PeerUpdate, response: { 200: SystemPeerChanged } } },
    patch,
  )
  app.patch('/v1.0/system-peers', { config: modify, schema: { hide: true, body: PeerUpdate } }, patch)

  const remove = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    accept(desk, request, reply, {}, async (asker) => removePeer(context, (await peerOf(context, request)).id, asker))
  const config = { policy: 'dc_api:system_peers:delete' }
  app.delete(
    '/v1.0/system-peers/:peer_ref',
    { config, schema: { summary: 'Delete a system peer', params: Params, response: { 200: Type.Null() } } },
    remove,
  )
  app.delete('/v1.0/system-peers', { config, schema: { hide: true } }, remove)
}

async function peerOf(context: ApiContext, request: FastifyRequest, body?: string): Promise<SystemPeerRow> {
  const ref = bound(request, 'peer_ref', body)
  const row = ref === undefined || ref.length > 255 ? undefined : await findSystemPeer(context.desk.database, ref)
  if (row === undefined) throw errors.systemPeerNotFound()
  return row
}

const defaults = {
  administrative_state: 'enabled',
  heartbeat_interval: 60,
  heartbeat_failure_threshold: 3,
  heartbeat_failure_policy: 'alarm',
  heartbeat_maintenance_timeout: 600,
  rehome_sysadmin_password: null,
} as const

async function shown({ desk }: ApiContext, row: SystemPeerRow): Promise<object> {
  const [takeover] = await readTakeovers(desk.database, [row], desk.world.clock.nowMs())
  return systemPeerToWire(row, takeover!)
}

interface Changed {
  readonly row: SystemPeerRow
  readonly takeover: Takeover
  readonly advice: readonly string[]
}

async function changedPeer(desk: Desk, tx: Transaction<Schema>, row: SystemPeerRow, advice: readonly string[]): Promise<Changed> {
  const [takeover] = await readTakeovers(tx, [row], desk.world.clock.nowMs())
  return { row, takeover: takeover!, advice }
}

function answerOf({ row, takeover, advice }: Changed): string {
  const notes = [...advice, ...policyNotes(row)]
  return JSON.stringify({ ...systemPeerToWire(row, takeover), ...(notes.length === 0 ? {} : { info_message: notes.join('\n') }) })
}

/** A policy that does not do what its name says is told at once. */
function policyNotes(row: SystemPeerRow): string[] {
  if (row.heartbeat_failure_policy === 'delegate') return ['The heartbeat-failure-policy delegate behaves as alarm.']
  if (row.heartbeat_failure_policy === 'rehome' && row.rehome_sysadmin_password === null)
    return ['The heartbeat-failure-policy rehome is blocked until rehome_sysadmin_password is set.']
  return []
}

async function add(context: ApiContext, body: Body, asker: Asker): Promise<string> {
  const { desk } = context
  // Empty is not there: the schema sees only that a member stands in the body.
  const missing = (Object.keys(members) as (keyof typeof members)[]).find((member) => body[member] === undefined || body[member] === '')
  if (missing !== undefined) throw invalidField(missing, 'is missing')
  const given = await readBody(context, body)
  const secrets = sealSecrets(desk.keyring, given.columns.peer_uuid!, given.secrets)
  const columns = { ...defaults, ...given.columns, ...secrets } as SystemPeerColumns
  return unique(columns, async () =>
    answerOf(await claim(desk, asker, answerOf, async (tx) => changedPeer(desk, tx, await insertSystemPeer(tx, desk.world, columns), []))),
  )
}

async function update(context: ApiContext, id: number, body: Body, asker: Asker): Promise<string> {
  const { desk } = context
  const given = await readBody(context, body)
  if (Object.keys(given.columns).length + Object.keys(given.secrets).length === 0) throw errors.nothingToUpdate()
  return unique(given.columns, async () => {
    const changed = await claim(desk, asker, answerOf, async (tx) => {
      const before = await readSystemPeer(tx, id)
      if (before === undefined) throw errors.systemPeerNotFound()
      const secrets = {
        ...moved(desk.keyring, before, given.columns.peer_uuid),
        ...sealSecrets(desk.keyring, given.columns.peer_uuid ?? before.peer_uuid, given.secrets),
      }
      const row = await updateSystemPeer(tx, desk.world, id, { ...given.columns, ...secrets })
      if (row === undefined) throw errors.systemPeerNotFound()
      const gatewayMoved = row.peer_controller_gateway_ip !== before.peer_controller_gateway_ip
      const associations = gatewayMoved ? await announceGatewayChange(tx, desk.world, id) : []
      // The monitor looks again with what is new.
      tx.afterCommit(() => desk.wakeManagers())
      return changedPeer(desk, tx, row, syncAdvice('system peer', associations))
    })
    return answerOf(changed)
  })
}

async function removePeer(context: ApiContext, id: number, asker: Asker): Promise<string> {
  const { desk } = context
  const answer = 'null'
  try {
    await claim(
      desk,
      asker,
      () => answer,
      async (tx) => {
        const associations = await readAssociationFacts(tx, { systemPeerIds: [id] })
        if (associations.length > 0) throw errors.systemPeerAssociated({ count: associations.length })
        if (!(await deleteSystemPeer(tx, id))) throw errors.systemPeerNotFound()
      },
    )
  } catch (error) {
    // An association that was added between the look and the delete keeps the peer.
    if (isForeignKeyViolation(error)) throw errors.systemPeerAssociated({ count: 1 })
    throw error
  }
  return answer
}

type Secrets = Partial<Record<PeerSecret, Secret | null>>

/** Every rule of §1.14; all problems at once. Members that are empty count as absent, as the stock client's do. */
async function readBody(context: ApiContext, body: Body): Promise<{ columns: Partial<SystemPeerColumns>; secrets: Secrets }> {
  const text = (value: string | undefined): string | undefined => (value === '' ? undefined : value)
  const name = text(body.peer_name)
  const endpoint = text(body.manager_endpoint)
  const gateway = text(body.peer_controller_gateway_address)
  const problems = [
    ...problem('peer_name', name === undefined ? undefined : nameProblem(name, 'system')),
    ...problem('manager_endpoint', endpoint === undefined ? undefined : endpointProblem(endpoint)),
    ...problem('manager_username', userNameProblem(text(body.manager_username))),
    ...(gateway === undefined ? [] : addressProblems('peer_controller_gateway_address', gateway)),
  ]
  if (problems.length > 0) throw invalid(problems)
  const uuid = uuidIn('peer_uuid', text(body.peer_uuid))
  if (uuid !== undefined && uuid === (await ownUuid(context))) throw errors.systemPeerSelf({ uuid }, { field: 'peer_uuid' })
  const policy = body.heartbeat_failure_policy as SystemPeerColumns['heartbeat_failure_policy'] | undefined
  return {
    columns: givenOf({
      peer_uuid: uuid,
      peer_name: name,
      manager_endpoint: endpoint,
      manager_username: text(body.manager_username),
      peer_controller_gateway_ip: gateway,
      administrative_state: body.administrative_state as SystemPeerColumns['administrative_state'] | undefined,
      heartbeat_interval: numberWithin('heartbeat_interval', body.heartbeat_interval, 10, 600),
      heartbeat_failure_threshold: numberWithin('heartbeat_failure_threshold', body.heartbeat_failure_threshold, 1, 30),
      heartbeat_failure_policy: policy,
      heartbeat_maintenance_timeout: numberWithin('heartbeat_maintenance_timeout', body.heartbeat_maintenance_timeout, 300, 36_000),
    }),
    secrets: {
      ...(text(body.manager_password) === undefined ? {} : { password: secretOf('manager_password', body.manager_password!) }),
      ...(body.rehome_sysadmin_password === undefined
        ? {}
        : {
            sysadmin_password:
              body.rehome_sysadmin_password === '' ? null : secretOf('rehome_sysadmin_password', body.rehome_sysadmin_password),
          }),
    },
  }
}

const problem = (field: string, message: string | undefined) => (message === undefined ? [] : [{ field, message }])

function endpointProblem(text: string): string | undefined {
  if (text.length >= 255) return 'must be shorter than 255 characters'
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) return 'must be a URL that starts with http'
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password'
  return undefined
}

const userNameProblem = (name: string | undefined): string | undefined =>
  // oxlint-disable-next-line no-control-regex -- what would break a log line or a header
  name !== undefined && (name.length >= 255 || /[\u0000-\u001f\u007f]/.test(name))
    ? 'must be shorter than 255 printable characters'
    : undefined

function secretOf(field: string, text: string): Secret {
  const decoded = text.length < 255 ? decodeBase64(text) : undefined
  if (decoded === undefined)
    throw text.length < 255 ? errors.passwordNotBase64({ field }, { field }) : invalidField(field, 'must be shorter than 255 characters')
  return new Secret(decoded)
}

/** Best effort: a peer record can be made while our own platform service is down. */
async function ownUuid(context: ApiContext): Promise<string | undefined> {
  try {
    return (await context.facts.system()).uuid.toLowerCase()
  } catch {
    return undefined
  }
}

const columnsOfSecrets = { password: 'manager_password', sysadmin_password: 'rehome_sysadmin_password' } as const

const sealSecrets = (keyring: Keyring, peerUuid: string, secrets: Secrets): Partial<SystemPeerColumns> =>
  Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => [
      columnsOfSecrets[name as PeerSecret],
      secret === null ? null : keyring.seal(secret, peerSecretContext(peerUuid, name as PeerSecret)),
    ]),
  )

/** Secrets are sealed for the uuid of their peer: when that changes they move along. */
function moved(keyring: Keyring, before: SystemPeerRow, uuid: string | undefined): Partial<SystemPeerColumns> {
  if (uuid === undefined || uuid === before.peer_uuid) return {}
  const names = (Object.keys(columnsOfSecrets) as PeerSecret[]).filter((name) => before[columnsOfSecrets[name]] !== null)
  const opened = names.map((name) => [name, keyring.open(before[columnsOfSecrets[name]]!, peerSecretContext(before.peer_uuid, name))])
  return sealSecrets(keyring, uuid, Object.fromEntries(opened) as Secrets)
}

async function unique<T>(columns: Partial<SystemPeerColumns>, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isUniqueViolation(error) && /system_peer|peer_uuid|peer_name/.test(error.constraint ?? ''))
      throw errors.systemPeerTaken({
        name: /uuid/.test(error.constraint ?? '') ? columns.peer_uuid! : (columns.peer_name ?? columns.peer_uuid!),
      })
    throw error
  }
}
