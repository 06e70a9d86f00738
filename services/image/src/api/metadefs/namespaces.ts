import type { App } from '@murmuration/http'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { errors } from '../../errors.ts'
import type { AssociationRecord, NamespaceRecord } from '../../store/metadefs/records.ts'
import { associationToWire, namespacePath, namespaceToWire, objectToWire, propertiesToWire, tagToWire } from '../../wire/metadefs.ts'
import { callerOf, queryOf, type ApiContext } from '../context.ts'
import { linksOf } from '../images.ts'
import { Namespace, objectValues, propertyValuesOf } from './bodies.ts'

export const NamespaceParams = Type.Object({ namespace: Type.String() })
const sortable = ['namespace', 'created_at', 'updated_at', 'visibility', 'owner']
const limitDefault = 25
const limitMost = 1_000

/** What policy is asked about. */
export const namespaceTarget = (namespace: NamespaceRecord) => ({
  project_id: namespace.owner,
  owner: namespace.owner,
  visibility: namespace.visibility,
})

/** The namespace, when the caller may see it and the rule lets it: else 404, whatever the reason, or 403. */
export async function namespaceFor({ data }: ApiContext, request: FastifyRequest, name: string, rule: string): Promise<NamespaceRecord> {
  const namespace = await data.metadef_namespace_get(callerOf(request), { namespace_name: name })
  request.authorize(rule, namespaceTarget(namespace))
  return namespace
}

/** …to change what is in it: not while it is protected. */
export async function namespaceToChange(context: ApiContext, request: FastifyRequest, name: string, rule: string, protects = false) {
  const namespace = await namespaceFor(context, request, name, rule)
  if (protects && namespace.protected)
    throw errors.forbidden({ why: `Metadata definition namespace ${namespace.namespace} is protected and cannot be deleted.` })
  return namespace
}

export function namespaceRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const config = { policy: 'in-handler' }

  app.get(
    '/v2/metadefs/namespaces',
    { config: { policy: 'get_metadef_namespaces' }, schema: { summary: 'List namespaces of metadata definitions' } },
    async (request) => {
      const query = queryOf(request)
      const { limit, ...wanted } = pageOf(query, sortable)
      const visibility = query.get('visibility')
      if (visibility !== null && visibility !== 'public' && visibility !== 'private')
        throw errors.badRequest({ why: "visibility must be 'public' or 'private'." })
      const types = query.get('resource_types')
      const caller = callerOf(request)
      const filters = { visibility, ...(types === null ? {} : { resource_types: types.split(',', 100) }) }
      const namespaces = await data.metadef_namespace_get_all(caller, { ...wanted, limit, filters })
      const names = namespaces.map(({ namespace }) => namespace)
      const associations =
        names.length === 0 ? [] : await data.metadef_resource_type_association_get_all(caller, { namespace_names: names })
      const of = (name: string): AssociationRecord[] => associations.filter(({ namespace }) => namespace === name)
      return {
        namespaces: namespaces.map((one) => ({
          ...namespaceToWire(one),
          resource_type_associations: of(one.namespace).map(associationToWire),
        })),
        ...linksOf(
          '/v2/metadefs/namespaces',
          query,
          namespaces.map(({ namespace }) => ({ name: namespace })),
          limit,
          'name',
        ),
        schema: '/v2/schemas/metadefs/namespaces',
      }
    },
  )

  app.post(
    '/v2/metadefs/namespaces',
    { config: { policy: 'add_metadef_namespace' }, schema: { summary: 'Create a namespace of metadata definitions', body: Namespace } },
    async (request, reply) => {
      const caller = callerOf(request)
      const { objects, properties, ...body } = request.body
      const values = { ...body, objects: objects?.map(objectValues) ?? [], properties: propertyValuesOf(properties) }
      const namespace = await data.metadef_namespace_create(caller, { values })
      return reply
        .code(201)
        .header('location', namespacePath(namespace.namespace))
        .send(await whole(request, namespace, ''))
    },
  )

  app.get(
    '/v2/metadefs/namespaces/:namespace',
    { config, schema: { summary: 'Show a namespace of metadata definitions', params: NamespaceParams } },
    async (request) => {
      const namespace = await namespaceFor(context, request, request.params.namespace, 'get_metadef_namespace')
      return whole(request, namespace, queryOf(request).get('resource_type') ?? '')
    },
  )

  app.put(
    '/v2/metadefs/namespaces/:namespace',
    { config, schema: { summary: 'Change a namespace of metadata definitions', params: NamespaceParams, body: Namespace } },
    async (request) => {
      const namespace = await namespaceFor(context, request, request.params.namespace, 'modify_metadef_namespace')
      const { objects: _objects, properties: _properties, tags: _tags, resource_type_associations: _associations, ...values } = request.body
      return namespaceToWire(await data.metadef_namespace_update(callerOf(request), { namespace_id: namespace.id, namespace_dict: values }))
    },
  )

  app.delete(
    '/v2/metadefs/namespaces/:namespace',
    { config, schema: { summary: 'Delete a namespace with all that is in it', params: NamespaceParams } },
    async (request, reply) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'delete_metadef_namespace', true)
      await data.metadef_namespace_delete(callerOf(request), { namespace_name: namespace })
      return reply.code(204).send()
    },
  )

  /** With what is in it; for one type of resource the names of properties bear its prefix. */
  async function whole(request: FastifyRequest, namespace: NamespaceRecord, resourceType: string) {
    const caller = callerOf(request)
    const of = { namespace_name: namespace.namespace }
    const associations = await data.metadef_resource_type_association_get_all_by_namespace(caller, of)
    const prefix = associations.find(({ name }) => name === resourceType)?.prefix ?? ''
    const objects = await data.metadef_object_get_all(caller, of)
    const properties = await data.metadef_property_get_all(caller, of)
    const tags = await data.metadef_tag_get_all(caller, of)
    return {
      ...namespaceToWire(namespace),
      ...(associations.length === 0 ? {} : { resource_type_associations: associations.map(associationToWire) }),
      ...(objects.length === 0 ? {} : { objects: objects.map((one) => objectToWire(one, namespace.namespace, prefix)) }),
      ...(properties.length === 0 ? {} : { properties: propertiesToWire(properties, prefix) }),
      ...(tags.length === 0 ? {} : { tags: tags.map(tagToWire) }),
    }
  }
}

/** Limit, marker and order of a list of definitions. Throws 400. */
export function pageOf(query: URLSearchParams, keys: readonly string[]) {
  const limit = query.get('limit') ?? String(limitDefault)
  if (!/^\d{1,15}$/.test(limit)) throw errors.badRequest({ why: 'limit must be a whole number that is not negative.' })
  const [key, direction] = [query.get('sort_key') ?? 'created_at', query.get('sort_dir') ?? 'desc']
  if (!keys.includes(key)) throw errors.badRequest({ why: `sort_key must be one of ${keys.join(', ')}.` })
  if (direction !== 'asc' && direction !== 'desc') throw errors.badRequest({ why: 'sort_dir must be asc or desc.' })
  return { limit: Math.min(Number(limit), limitMost), marker: query.get('marker'), sort_key: key, sort_dir: direction }
}
