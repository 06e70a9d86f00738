import type { App } from '@murmuration/http'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { attributeProblem, isReadOnly, isReserved, isWritable } from '../rules/attributes.ts'
import { QueryRefused, readListQuery, type ListQuery } from '../rules/list-query.ts'
import { requireWithin } from '../rules/limits.ts'
import { holdsBeyondBmp } from '../rules/text.ts'
import type { Caller } from '../store/caller.ts'
import type { ImageRecord } from '../store/records.ts'
import { callerOf, queryOf, shownImage, targetOf, type ApiContext } from './context.ts'
import { Image, ImageParams } from './schemas.ts'

/** Images without their data (reference image §1.3–§1.5). */
export function imageRoutes(app: App, context: ApiContext): void {
  const { data, stores } = context
  const wire = (image: ImageRecord, caller: Caller) => shownImage(context, image, caller)
  const inHandler = { policy: 'in-handler' }

  app.post(
    '/v2/images',
    { config: inHandler, schema: { summary: 'Create an image', body: Type.Unsafe<unknown>({}), response: { 201: Image } } },
    async (request, reply) => {
      const caller = callerOf(request)
      const values = newImage(request.body, caller)
      request.authorize('add_image', targetOf({ owner: values.owner, visibility: values.visibility }, caller))
      if (values.visibility === 'public') request.authorize('publicize_image')
      if (values.visibility === 'community') request.authorize('communitize_image', targetOf(values, caller))
      const image = await data.image_create(caller, { values: { ...values, status: 'queued' } })
      void reply
        .code(201)
        .header('location', `/v2/images/${image.id}`)
        .header('openstack-image-import-methods', context.site.config.image.importMethods.join(','))
      if (stores.several) void reply.header('openstack-image-store-ids', stores.ids.join(','))
      return wire(image, caller)
    },
  )

  app.get(
    '/v2/images',
    {
      config: { policy: 'get_images' },
      schema: { summary: 'List images', response: { 200: Type.Object({ images: Type.Array(Image) }, { additionalProperties: true }) } },
    },
    async (request) => {
      const query = queryOf(request)
      const wanted = listQueryOf(query)
      const caller = callerOf(request)
      const images = await data.image_get_all(caller, {
        filters: wanted.filters,
        marker: wanted.marker ?? null,
        limit: wanted.limit,
        sort_key: wanted.sortKeys,
        sort_dir: wanted.sortDirections,
        member_status: wanted.memberStatus,
        return_tag: true,
      })
      return {
        images: images.map((image) => wire(image, caller)),
        ...linksOf('/v2/images', query, images, wanted.limit),
        schema: '/v2/schemas/images',
      }
    },
  )

  app.get(
    '/v2/images/:image_id',
    { config: inHandler, schema: { summary: 'Show an image', params: ImageParams, response: { 200: Image } } },
    async (request) => {
      const image = await visibleImage(context, request, request.params.image_id)
      const caller = callerOf(request)
      request.authorize('get_image', targetOf(image, caller))
      return wire(image, caller)
    },
  )

  app.delete(
    '/v2/images/:image_id',
    { config: inHandler, schema: { summary: 'Delete an image', params: ImageParams } },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('delete_image', targetOf(image, caller))
      if (image.protected) throw errors.protectedImage({ id: image.id })
      await data.image_destroy(caller, { image_id: image.id })
      await context.transfers.removeBytesOf(image.id)
      return reply.code(204).send()
    },
  )
}

/** The image, when the caller may see it; else 404 whatever the reason. Deleted ones are gone for everybody. */
export async function visibleImage(context: Pick<ApiContext, 'data'>, request: FastifyRequest, id: string): Promise<ImageRecord> {
  const image = await context.data.image_get(callerOf(request), { image_id: id })
  if (image.deleted) throw errors.imageNotFound({ id })
  return image
}

interface NewImage extends Record<string, unknown> {
  readonly owner: string | null
  readonly visibility: ImageRecord['visibility']
}

export function newImage(body: unknown, caller: Caller): NewImage {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw errors.badRequest({ why: 'The body must be a JSON object.' })
  const attributes: Record<string, unknown> = {}
  const properties: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(body)) {
    if (isReadOnly(key)) throw errors.readOnlyAttribute({ field: key }, { field: key })
    if (isReserved(key)) throw errors.reservedAttribute({ field: key }, { field: key })
    const problem = attributeProblem(key, value)
    if (problem !== undefined) throw errors.badField({ field: key, why: problem }, { field: key })
    ;(isWritable(key) ? attributes : properties)[key] = value
  }
  if (holdsBeyondBmp(body)) throw errors.notText()
  requireWithin('properties', Object.keys(properties).length)
  const tags = [...new Set((attributes['tags'] ?? []) as string[])]
  requireWithin('tags', tags.length)
  const owner = attributes['owner'] === undefined ? caller.owner : (attributes['owner'] as string | null)
  if (owner !== caller.owner && !caller.isAdmin) throw errors.ownerForbidden({ owner: String(owner) }, { field: 'owner' })
  const visibility = (attributes['visibility'] ?? 'shared') as ImageRecord['visibility']
  return { ...attributes, owner, visibility, properties, tags }
}

function listQueryOf(query: URLSearchParams): ListQuery {
  try {
    return readListQuery(query)
  } catch (error) {
    if (!(error instanceof QueryRefused)) throw error
    throw errors.badRequest({ why: error.message }, { field: error.field })
  }
}

/** Parameters of which each one counts, not the last one only. */
const repeatable: ReadonlySet<string> = new Set(['tag', 'sort', 'sort_key', 'sort_dir'])

/**
 * `first` repeats the query without its marker, `next` goes on behind the last row (reference image §1.5). Of a key that was repeated the
 * links have the one that counted; where all of them did they have all, which the original loses: its second page is in another order.
 */
export function linksOf(
  path: string,
  query: URLSearchParams,
  rows: readonly { readonly id?: string | number; readonly name?: string | null }[],
  limit: number,
  by: 'id' | 'name' = 'id',
): { first: string; next?: string } {
  const counted = new URLSearchParams(query)
  for (const key of new Set(query.keys())) if (!repeatable.has(key)) counted.set(key, query.getAll(key).at(-1)!)
  counted.delete('marker')
  const first = counted.size === 0 ? path : `${path}?${counted.toString()}`
  const last = rows.at(-1)
  if (last === undefined || rows.length < limit) return { first }
  counted.set('marker', String(last[by]))
  return { first, next: `${path}?${counted.toString()}` }
}
