import { Type } from 'typebox'
import { flag } from '@murmuration/data'
import { errors } from '../errors.ts'
import { newId } from '../room.ts'
import {
  deleteEndpoint,
  deleteRegion,
  deleteService,
  findEndpoint,
  findRegion,
  findService,
  insertEndpoint,
  insertRegion,
  insertService,
  listEndpoints,
  listRegions,
  listServices,
  regionIsUsed,
  updateEndpoint,
  updateRegion,
  updateService,
} from '../store/catalog.ts'
import type { Db, EndpointRow, RegionRow, ServiceRow } from '../store/schema.ts'
import { extra, extraOf } from '../wire/bags.ts'
import { wireEndpoint, wireRegion, wireService } from '../wire/resources.ts'
import { baseUrl, found, Id, list, Name, Nullable, pageQuery, readFlag, refusingDuplicates, Text, type Api } from './kit.ts'

export function catalogRoutes(api: Api): void {
  regionRoutes(api)
  serviceRoutes(api)
  endpointRoutes(api)
}

const regionMembers = { description: Nullable(Text), parent_region_id: Nullable(Id) }
const RegionCreate = Type.Object({ region: Type.Object({ id: Nullable(Id), ...regionMembers }) })
const RegionUpdate = Type.Object({ region: Type.Object(regionMembers) })
const RegionPath = Type.Object({ region_id: Id })

function regionRoutes({ app, room }: Api): void {
  const create = async (id: string, region: Type.Static<typeof RegionUpdate>['region']): Promise<RegionRow> => {
    const row: RegionRow = {
      id,
      description: region.description ?? '',
      parent_region_id: region.parent_region_id ?? null,
      extra: extraOf(region, Object.keys(regionMembers)),
    }
    await refusingDuplicates(
      () => errors.duplicateId({ what: 'region', id }),
      () =>
        room.db.transaction(async (tx) => {
          if (row.parent_region_id !== null) found('region', row.parent_region_id, await findRegion(tx, row.parent_region_id))
          await insertRegion(tx, row)
        }),
    )
    return row
  }

  app.post('/v3/regions', { config: { policy: 'identity:create_region' }, schema: { body: RegionCreate } }, async (request, reply) => {
    const { region } = request.body
    const row = await create(region.id ?? newId(room), region)
    return reply.code(201).send({ region: wireRegion(row, baseUrl(request, room)) })
  })
  app.put(
    '/v3/regions/:region_id',
    { config: { policy: 'identity:create_region' }, schema: { params: RegionPath, body: RegionCreate } },
    async (request, reply) => {
      const row = await create(request.params.region_id, request.body.region)
      return reply.code(201).send({ region: wireRegion(row, baseUrl(request, room)) })
    },
  )
  const RegionList = Type.Object({ ...pageQuery, parent_region_id: Type.Optional(Type.String()) })
  app.get('/v3/regions', { config: { policy: 'identity:list_regions' }, schema: { querystring: RegionList } }, async (request) => {
    const { query } = request
    const filter = { parentId: query.parent_region_id }
    return await list(request, room, 'regions', wireRegion, (page) => listRegions(room.db, filter, page))
  })
  app.get('/v3/regions/:region_id', { config: { policy: 'identity:get_region' }, schema: { params: RegionPath } }, async (request) => {
    const { region_id: id } = request.params
    return { region: wireRegion(found('region', id, await findRegion(room.db, id)), baseUrl(request, room)) }
  })
  app.patch(
    '/v3/regions/:region_id',
    { config: { policy: 'identity:update_region' }, schema: { params: RegionPath, body: RegionUpdate } },
    async (request) => {
      const { region_id: id } = request.params
      const { region } = request.body
      const row = await room.db.transaction(async (tx) => {
        const before = found('region', id, await findRegion(tx, id))
        const after: RegionRow = {
          ...before,
          description: region.description ?? before.description,
          parent_region_id: region.parent_region_id === undefined ? before.parent_region_id : region.parent_region_id,
          extra: extraOf(region, Object.keys(regionMembers), extra(before)),
        }
        await refuseRegionCircle(tx, after)
        await updateRegion(tx, id, after)
        return after
      })
      return { region: wireRegion(row, baseUrl(request, room)) }
    },
  )
  app.delete(
    '/v3/regions/:region_id',
    { config: { policy: 'identity:delete_region' }, schema: { params: RegionPath } },
    async (request, reply) => {
      const { region_id: id } = request.params
      await room.db.transaction(async (tx) => {
        found('region', id, await findRegion(tx, id))
        if (await regionIsUsed(tx, id)) throw errors.regionUsed({ id })
        await deleteRegion(tx, id)
      })
      return reply.code(204).send()
    },
  )
}

async function refuseRegionCircle(db: Db, row: RegionRow): Promise<void> {
  const seen = new Set([row.id])
  let parentId = row.parent_region_id
  while (parentId !== null) {
    if (seen.has(parentId)) throw errors.invalid({ field: 'parent_region_id', reason: 'a region can not be below itself.' })
    seen.add(parentId)
    parentId = found('region', parentId, await findRegion(db, parentId)).parent_region_id
  }
}

const serviceMembers = {
  name: Type.Optional(Type.String({ maxLength: 255 })),
  enabled: Type.Optional(Type.Boolean()),
  description: Nullable(Text),
}
const knownOfService = ['type', ...Object.keys(serviceMembers)]
const ServiceCreate = Type.Object({ service: Type.Object({ type: Name, ...serviceMembers }) })
const ServiceUpdate = Type.Object({ service: Type.Object({ type: Type.Optional(Name), ...serviceMembers }) })
const ServicePath = Type.Object({ service_id: Id })

function serviceRoutes({ app, room }: Api): void {
  app.post('/v3/services', { config: { policy: 'identity:create_service' }, schema: { body: ServiceCreate } }, async (request, reply) => {
    const { service } = request.body
    const row: ServiceRow = {
      id: newId(room),
      type: service.type,
      name: service.name ?? '',
      enabled: flag(service.enabled ?? true),
      description: service.description ?? null,
      extra: extraOf(service, knownOfService),
    }
    await room.db.transaction((tx) => insertService(tx, row))
    return reply.code(201).send({ service: wireService(row, baseUrl(request, room)) })
  })
  const ServiceList = Type.Object({ ...pageQuery, type: Type.Optional(Type.String()), name: Type.Optional(Type.String()) })
  app.get('/v3/services', { config: { policy: 'identity:list_services' }, schema: { querystring: ServiceList } }, async (request) => {
    const { query } = request
    const filter = { type: query.type, name: query.name }
    return await list(request, room, 'services', wireService, (page) => listServices(room.db, filter, page))
  })
  app.get('/v3/services/:service_id', { config: { policy: 'identity:get_service' }, schema: { params: ServicePath } }, async (request) => {
    const { service_id: id } = request.params
    return { service: wireService(found('service', id, await findService(room.db, id)), baseUrl(request, room)) }
  })
  app.patch(
    '/v3/services/:service_id',
    { config: { policy: 'identity:update_service' }, schema: { params: ServicePath, body: ServiceUpdate } },
    async (request) => {
      const { service_id: id } = request.params
      const { service } = request.body
      const row = await room.db.transaction(async (tx) => {
        const before = found('service', id, await findService(tx, id))
        const after: ServiceRow = {
          ...before,
          type: service.type ?? before.type,
          name: service.name ?? before.name,
          enabled: service.enabled === undefined ? before.enabled : flag(service.enabled),
          description: service.description === undefined ? before.description : service.description,
          extra: extraOf(service, knownOfService, extra(before)),
        }
        await updateService(tx, id, after)
        return after
      })
      return { service: wireService(row, baseUrl(request, room)) }
    },
  )
  app.delete(
    '/v3/services/:service_id',
    { config: { policy: 'identity:delete_service' }, schema: { params: ServicePath } },
    async (request, reply) => {
      const { service_id: id } = request.params
      await room.db.transaction(async (tx) => {
        found('service', id, await findService(tx, id))
        await deleteService(tx, id)
      })
      return reply.code(204).send()
    },
  )
}

const Interface = Type.Union([Type.Literal('public'), Type.Literal('internal'), Type.Literal('admin')])
/** An address of a service; nothing in it is a template that would be expanded (OSSA-2014-029). */
const Url = Type.String({ minLength: 1, maxLength: 2048, pattern: '^[A-Za-z][A-Za-z0-9+.-]*://[^\\s\\u0000-\\u001f]+$' })
const endpointMembers = { region_id: Nullable(Id), region: Nullable(Id), enabled: Type.Optional(Type.Boolean()) }
const knownOfEndpoint = ['service_id', 'interface', 'url', ...Object.keys(endpointMembers)]
const EndpointCreate = Type.Object({ endpoint: Type.Object({ service_id: Id, interface: Interface, url: Url, ...endpointMembers }) })
const EndpointUpdate = Type.Object({
  endpoint: Type.Object({
    service_id: Type.Optional(Id),
    interface: Type.Optional(Interface),
    url: Type.Optional(Url),
    ...endpointMembers,
  }),
})
const EndpointPath = Type.Object({ endpoint_id: Id })

function endpointRoutes({ app, room }: Api): void {
  /** What an endpoint points to must exist. */
  const prove = async (db: Db, row: EndpointRow) => {
    found('service', row.service_id, await findService(db, row.service_id))
    if (row.region_id !== null) found('region', row.region_id, await findRegion(db, row.region_id))
  }
  app.post(
    '/v3/endpoints',
    { config: { policy: 'identity:create_endpoint' }, schema: { body: EndpointCreate } },
    async (request, reply) => {
      const { endpoint } = request.body
      const row: EndpointRow = {
        id: newId(room),
        service_id: endpoint.service_id,
        region_id: endpoint.region_id ?? endpoint.region ?? null,
        interface: endpoint.interface,
        url: endpoint.url,
        enabled: flag(endpoint.enabled ?? true),
        extra: extraOf(endpoint, knownOfEndpoint),
      }
      await room.db.transaction(async (tx) => {
        await prove(tx, row)
        await insertEndpoint(tx, row)
      })
      return reply.code(201).send({ endpoint: wireEndpoint(row, baseUrl(request, room)) })
    },
  )
  const EndpointList = Type.Object({
    ...pageQuery,
    service_id: Type.Optional(Type.String()),
    interface: Type.Optional(Type.String()),
    region_id: Type.Optional(Type.String()),
    enabled: Type.Optional(Type.String()),
  })
  app.get('/v3/endpoints', { config: { policy: 'identity:list_endpoints' }, schema: { querystring: EndpointList } }, async (request) => {
    const { query } = request
    const enabled = readFlag(query.enabled)
    const filter = { serviceId: query.service_id, interface: query.interface, regionId: query.region_id, enabled }
    return await list(request, room, 'endpoints', wireEndpoint, (page) => listEndpoints(room.db, filter, page))
  })
  app.get(
    '/v3/endpoints/:endpoint_id',
    { config: { policy: 'identity:get_endpoint' }, schema: { params: EndpointPath } },
    async (request) => {
      const { endpoint_id: id } = request.params
      return { endpoint: wireEndpoint(found('endpoint', id, await findEndpoint(room.db, id)), baseUrl(request, room)) }
    },
  )
  app.patch(
    '/v3/endpoints/:endpoint_id',
    { config: { policy: 'identity:update_endpoint' }, schema: { params: EndpointPath, body: EndpointUpdate } },
    async (request) => {
      const { endpoint_id: id } = request.params
      const { endpoint } = request.body
      const region = endpoint.region_id === undefined ? endpoint.region : endpoint.region_id
      const row = await room.db.transaction(async (tx) => {
        const before = found('endpoint', id, await findEndpoint(tx, id))
        const after: EndpointRow = {
          ...before,
          service_id: endpoint.service_id ?? before.service_id,
          region_id: region === undefined ? before.region_id : region,
          interface: endpoint.interface ?? before.interface,
          url: endpoint.url ?? before.url,
          enabled: endpoint.enabled === undefined ? before.enabled : flag(endpoint.enabled),
          extra: extraOf(endpoint, knownOfEndpoint, extra(before)),
        }
        await prove(tx, after)
        await updateEndpoint(tx, id, after)
        return after
      })
      return { endpoint: wireEndpoint(row, baseUrl(request, room)) }
    },
  )
  app.delete(
    '/v3/endpoints/:endpoint_id',
    { config: { policy: 'identity:delete_endpoint' }, schema: { params: EndpointPath } },
    async (request, reply) => {
      const { endpoint_id: id } = request.params
      await room.db.transaction(async (tx) => {
        found('endpoint', id, await findEndpoint(tx, id))
        await deleteEndpoint(tx, id)
      })
      return reply.code(204).send()
    },
  )
}
