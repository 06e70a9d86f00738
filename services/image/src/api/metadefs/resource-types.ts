import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { associationToWire, namespacePath, resourceTypeToWire } from '../../wire/metadefs.ts'
import { callerOf, type ApiContext } from '../context.ts'
import { Association } from './bodies.ts'
import { namespaceFor, namespaceToChange, NamespaceParams } from './namespaces.ts'

const path = '/v2/metadefs/namespaces/:namespace/resource_types'
const config = { policy: 'in-handler' }

/** Types of resources, and which namespaces are for them. */
export function resourceTypeRoutes(app: App, context: ApiContext): void {
  const { data } = context

  app.get(
    '/v2/metadefs/resource_types',
    { config: { policy: 'list_metadef_resource_types' }, schema: { summary: 'List resource types' } },
    async (request) => ({
      resource_types: (await data.metadef_resource_type_get_all(callerOf(request), {})).map(resourceTypeToWire),
    }),
  )
  app.get(path, { config, schema: { summary: 'List the resource types of a namespace', params: NamespaceParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_resource_type')
    const associations = await data.metadef_resource_type_association_get_all_by_namespace(callerOf(request), { namespace_name: namespace })
    return { resource_type_associations: associations.map(associationToWire) }
  })
  app.post(
    path,
    { config, schema: { summary: 'Associate a resource type with a namespace', params: NamespaceParams, body: Association } },
    async (request, reply) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'add_metadef_resource_type_association')
      const association = await data.metadef_resource_type_association_create(callerOf(request), {
        namespace_name: namespace,
        values: request.body,
      })
      return reply
        .code(201)
        .header('location', `${namespacePath(namespace)}/resource_types/${encodeURIComponent(association.name)}`)
        .send(associationToWire(association))
    },
  )
  app.delete(
    `${path}/:name`,
    {
      config,
      schema: { summary: 'End the association of a resource type', params: Type.Object({ namespace: Type.String(), name: Type.String() }) },
    },
    async (request, reply) => {
      const { namespace, name } = request.params
      const found = await namespaceToChange(context, request, namespace, 'remove_metadef_resource_type_association', true)
      await data.metadef_resource_type_association_delete(callerOf(request), { namespace_name: found.namespace, resource_type_name: name })
      return reply.code(204).send()
    },
  )
}
