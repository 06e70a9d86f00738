import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { namespacePath, objectToWire, propertiesToWire, propertyToWire, tagToWire } from '../../wire/metadefs.ts'
import { callerOf, queryOf, type ApiContext } from '../context.ts'
import { linksOf } from '../images.ts'
import { MetadefObject, objectValues, Property, propertyValues, Tag, Tags } from './bodies.ts'
import { namespaceFor, namespaceToChange, NamespaceParams, pageOf } from './namespaces.ts'

const EntryParams = Type.Object({ namespace: Type.String(), name: Type.String() })
const base = '/v2/metadefs/namespaces/:namespace'
const config = { policy: 'in-handler' }

export function objectRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const path = `${base}/objects`

  app.get(path, { config, schema: { summary: 'List the objects of a namespace', params: NamespaceParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_objects')
    const objects = await data.metadef_object_get_all(callerOf(request), { namespace_name: namespace })
    return { objects: objects.map((one) => objectToWire(one, namespace)), schema: '/v2/schemas/metadefs/objects' }
  })
  app.post(
    path,
    { config, schema: { summary: 'Create an object', params: NamespaceParams, body: MetadefObject } },
    async (request, reply) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'add_metadef_object')
      const object = await data.metadef_object_create(callerOf(request), {
        namespace_name: namespace,
        object_dict: objectValues(request.body),
      })
      const body = objectToWire(object, namespace)
      return reply.code(201).header('location', body.self).send(body)
    },
  )
  app.delete(
    path,
    { config, schema: { summary: 'Delete all objects of a namespace', params: NamespaceParams } },
    async (request, reply) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'delete_metadef_object', true)
      await data.metadef_object_delete_namespace_content(callerOf(request), { namespace_name: namespace })
      return reply.code(204).send()
    },
  )
  app.get(`${path}/:name`, { config, schema: { summary: 'Show an object', params: EntryParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_object')
    return objectToWire(
      await data.metadef_object_get(callerOf(request), { namespace_name: namespace, object_name: request.params.name }),
      namespace,
    )
  })
  app.put(
    `${path}/:name`,
    { config, schema: { summary: 'Change an object', params: EntryParams, body: MetadefObject } },
    async (request) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'modify_metadef_object')
      const caller = callerOf(request)
      const { id } = await data.metadef_object_get(caller, { namespace_name: namespace, object_name: request.params.name })
      const values = objectValues(request.body)
      return objectToWire(
        await data.metadef_object_update(caller, { namespace_name: namespace, object_id: id, object_dict: values }),
        namespace,
      )
    },
  )
  app.delete(`${path}/:name`, { config, schema: { summary: 'Delete an object', params: EntryParams } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'delete_metadef_object', true)
    await data.metadef_object_delete(callerOf(request), { namespace_name: namespace, object_name: request.params.name })
    return reply.code(204).send()
  })
}

export function propertyRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const path = `${base}/properties`

  app.get(path, { config, schema: { summary: 'List the properties of a namespace', params: NamespaceParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_properties')
    return { properties: propertiesToWire(await data.metadef_property_get_all(callerOf(request), { namespace_name: namespace })) }
  })
  app.post(path, { config, schema: { summary: 'Create a property', params: NamespaceParams, body: Property } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'add_metadef_property')
    const values = propertyValues(request.body)
    const property = await data.metadef_property_create(callerOf(request), { namespace_name: namespace, property_dict: values })
    return reply
      .code(201)
      .header('location', `${namespacePath(namespace)}/properties/${encodeURIComponent(property.name)}`)
      .send(propertyToWire(property))
  })
  app.delete(
    path,
    { config, schema: { summary: 'Delete all properties of a namespace', params: NamespaceParams } },
    async (request, reply) => {
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'remove_metadef_property', true)
      await data.metadef_property_delete_namespace_content(callerOf(request), { namespace_name: namespace })
      return reply.code(204).send()
    },
  )
  app.get(`${path}/:name`, { config, schema: { summary: 'Show a property', params: EntryParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_property')
    const caller = callerOf(request)
    // For one type of resource it is asked for by the name that it has there.
    const type = queryOf(request).get('resource_type')
    const association =
      type === null
        ? null
        : await data.metadef_resource_type_association_get(caller, { namespace_name: namespace, resource_type_name: type })
    const prefix = association?.prefix ?? ''
    const { name } = request.params
    const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name
    return propertyToWire(await data.metadef_property_get(caller, { namespace_name: namespace, property_name: bare }), prefix)
  })
  app.put(`${path}/:name`, { config, schema: { summary: 'Change a property', params: EntryParams, body: Property } }, async (request) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'modify_metadef_property')
    const caller = callerOf(request)
    const { id } = await data.metadef_property_get(caller, { namespace_name: namespace, property_name: request.params.name })
    const values = propertyValues(request.body)
    return propertyToWire(await data.metadef_property_update(caller, { namespace_name: namespace, property_id: id, property_dict: values }))
  })
  app.delete(`${path}/:name`, { config, schema: { summary: 'Delete a property', params: EntryParams } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'remove_metadef_property', true)
    await data.metadef_property_delete(callerOf(request), { namespace_name: namespace, property_name: request.params.name })
    return reply.code(204).send()
  })
}

export function tagRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const path = `${base}/tags`

  app.get(path, { config, schema: { summary: 'List the tags of a namespace', params: NamespaceParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_tags')
    const query = queryOf(request)
    const page = pageOf(query, ['name', 'created_at', 'updated_at'])
    const tags = await data.metadef_tag_get_all(callerOf(request), { namespace_name: namespace, ...page })
    return {
      tags: tags.map(tagToWire),
      ...linksOf(`${namespacePath(namespace)}/tags`, query, tags, page.limit, 'name'),
      schema: '/v2/schemas/metadefs/tags',
    }
  })
  app.post(
    path,
    { config, schema: { summary: 'Set or add the tags of a namespace', params: NamespaceParams, body: Tags } },
    async (request, reply) => {
      const append = String(request.headers['x-openstack-append'] ?? '').toLowerCase() === 'true'
      const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'add_metadef_tags', !append)
      const tags = await data.metadef_tag_create_tags(callerOf(request), {
        namespace_name: namespace,
        tag_list: request.body.tags,
        can_append: append,
      })
      return reply
        .code(201)
        .header('location', `${namespacePath(namespace)}/tags`)
        .send({ tags: tags.map(tagToWire) })
    },
  )
  app.delete(path, { config, schema: { summary: 'Delete all tags of a namespace', params: NamespaceParams } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'delete_metadef_tags', true)
    await data.metadef_tag_delete_namespace_content(callerOf(request), { namespace_name: namespace })
    return reply.code(204).send()
  })
  app.get(`${path}/:name`, { config, schema: { summary: 'Show a tag', params: EntryParams } }, async (request) => {
    const { namespace } = await namespaceFor(context, request, request.params.namespace, 'get_metadef_tag')
    return tagToWire(await data.metadef_tag_get(callerOf(request), { namespace_name: namespace, name: request.params.name }))
  })
  app.post(`${path}/:name`, { config, schema: { summary: 'Create a tag', params: EntryParams } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'add_metadef_tag')
    const tag = await data.metadef_tag_create(callerOf(request), { namespace_name: namespace, tag_dict: { name: request.params.name } })
    return reply
      .code(201)
      .header('location', `${namespacePath(namespace)}/tags/${encodeURIComponent(tag.name)}`)
      .send(tagToWire(tag))
  })
  app.put(`${path}/:name`, { config, schema: { summary: 'Rename a tag', params: EntryParams, body: Tag } }, async (request) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'modify_metadef_tag')
    const caller = callerOf(request)
    const { id } = await data.metadef_tag_get(caller, { namespace_name: namespace, name: request.params.name })
    return tagToWire(await data.metadef_tag_update(caller, { namespace_name: namespace, id, tag_dict: { name: request.body.name } }))
  })
  app.delete(`${path}/:name`, { config, schema: { summary: 'Delete a tag', params: EntryParams } }, async (request, reply) => {
    const { namespace } = await namespaceToChange(context, request, request.params.namespace, 'delete_metadef_tag', true)
    await data.metadef_tag_delete(callerOf(request), { namespace_name: namespace, name: request.params.name })
    return reply.code(204).send()
  })
}
