import { isUniqueViolation } from '@murmuration/data'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { addHost, changeHost, changeServiceGroup, findHost, listHosts, listServiceGroups, removeHost } from '../store/hosts.ts'
import type { HostRow } from '../store/schema.ts'
import * as wire from '../wire/resources.ts'
import { JsonPatch, oneOf, readPatch, text } from './patch.ts'
import type { Routes } from './room.ts'

const get = { config: { policy: 'platform_api:ihosts:get' } }
const modify = { config: { policy: 'platform_api:ihosts:modify' } }
const Id = Type.Object({ id: Type.String() })
const NewHost = Type.Object(
  {
    hostname: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' }),
    personality: Type.Enum(['controller', 'worker', 'storage', 'edgeworker']),
    subfunctions: Type.Optional(Type.String({ pattern: '^[a-z]+(,[a-z]+)*$', maxLength: 128 })),
  },
  { additionalProperties: false },
)
const changeable = {
  administrative: oneOf('unlocked', 'locked'),
  operational: oneOf('enabled', 'disabled'),
  availability: oneOf('available', 'degraded', 'online', 'offline', 'failed', 'intest', 'power-off'),
  subfunctions: text(128),
}

export const hosts: Routes = (app, { world, database, now }) => {
  const find = async (ref: string): Promise<HostRow> => {
    const found = await findHost(database, ref)
    if (found === undefined) throw errors.notFound({ what: 'Host', ref })
    return found
  }

  app.get('/v1/ihosts', get, async () => ({ ihosts: (await listHosts(database)).map(wire.host) }))
  app.get('/v1/ihosts/:id', { ...get, schema: { params: Id } }, async ({ params }) => wire.host(await find(params.id)))

  /** A new host is locked and offline until somebody says otherwise. */
  app.post('/v1/ihosts', { ...modify, schema: { body: NewHost } }, async ({ body }, reply) => {
    try {
      const added = await addHost(database, {
        uuid: world.random.uuid(),
        hostname: body.hostname,
        personality: body.personality,
        subfunctions: body.subfunctions ?? body.personality,
        administrative: 'locked',
        operational: 'disabled',
        availability: 'offline',
        created_at: now(),
        updated_at: null,
      })
      return await reply.code(201).send(wire.host(added))
    } catch (error) {
      if (isUniqueViolation(error)) throw errors.taken({ what: 'Host', ref: body.hostname }, { field: 'hostname' })
      throw error
    }
  })

  app.patch('/v1/ihosts/:id', { ...modify, schema: { params: Id, body: JsonPatch } }, async ({ params, body }) => {
    const changes = readPatch(body, changeable)
    const { uuid } = await find(params.id)
    const changed = await changeHost(database, uuid, changes, now())
    if (changed === undefined) throw errors.notFound({ what: 'Host', ref: params.id })
    return wire.host(changed)
  })

  app.delete('/v1/ihosts/:id', { ...modify, schema: { params: Id } }, async ({ params }, reply) => {
    await removeHost(database, params.id)
    return reply.code(204).send()
  })

  app.get('/v1/sm_servicegroup', { config: { policy: 'platform_api:service_groups:get' } }, async () => ({
    sm_servicegroup: (await listServiceGroups(database)).map(wire.serviceGroup),
  }))
  app.patch(
    '/v1/sm_servicegroup/:id',
    { config: { policy: 'platform_api:service_groups:modify' }, schema: { params: Id, body: JsonPatch } },
    async ({ params, body }) => {
      const { state } = readPatch(body, { state: oneOf('active', 'standby', 'disabled') })
      const changed = state === undefined ? undefined : await changeServiceGroup(database, params.id, state, now())
      if (changed === undefined) throw errors.notFound({ what: 'Service group', ref: params.id })
      return wire.serviceGroup(changed)
    },
  )
}
