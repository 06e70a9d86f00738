import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { applyPatch, formOf, patchTypes, readLocationChange, readPatch } from '../rules/json-patch.ts'
import { requireWithin } from '../rules/limits.ts'
import { formatsMayChange } from '../rules/status.ts'
import type { Caller } from '../store/caller.ts'
import type { ImageRecord } from '../store/records.ts'
import { callerOf, shownImage, targetOf, type ApiContext } from './context.ts'
import { visibleImage } from './images.ts'
import { changeLocation } from './locations.ts'
import { Image, ImageParams } from './schemas.ts'

/** Changes of an image, as JSON patch of two media types (reference image §1.6). */
export function patchImageRoutes(app: App, context: ApiContext): void {
  const { data } = context
  app.patch(
    '/v2/images/:image_id',
    {
      config: { policy: 'in-handler' },
      schema: {
        summary: 'Change an image',
        params: ImageParams,
        body: Type.Unsafe<unknown>({}),
        response: { 200: Image },
      },
      // Before the body is read: what it is must be known.
      onRequest: (request, reply, done) => {
        const type = request.headers['content-type']
        if (formOf(type) !== undefined) return done()
        void reply.header('accept-patch', Object.values(patchTypes).join(', '))
        done(errors.patchType({ type: (type ?? '').slice(0, 128) }))
      },
    },
    async (request) => {
      const form = formOf(request.headers['content-type'])!
      const caller = callerOf(request)
      const location = context.site.config.image.locations === 'shown' ? readLocationChange(form, request.body) : undefined
      if (location !== undefined)
        return shownImage(context, await changeLocation(context, request, request.params.image_id, location), caller)
      const operations = readPatch(form, request.body)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('modify_image', targetOf(image, caller))
      const patched = applyPatch(form, operations, { attributes: {}, properties: propertiesOf(image) })
      const { attributes } = patched
      requireAllowed(image, caller, attributes)
      const { visibility } = attributes
      if (visibility === 'public' && image.visibility !== 'public') request.authorize('publicize_image', targetOf(image, caller))
      if (visibility === 'community' && image.visibility !== 'community') request.authorize('communitize_image', targetOf(image, caller))
      const tags = Array.isArray(attributes['tags']) ? [...new Set(attributes['tags'] as string[])] : undefined
      if (tags !== undefined) requireWithin('tags', tags.length)
      const { properties, removed } = patched
      if (Object.keys(properties).length > 0) requireWithin('properties', patched.count)
      if (Object.keys(attributes).length + Object.keys(properties).length + removed.length === 0) return shownImage(context, image, caller)
      // Formats hold for the bytes that were judged by them: they are written only while the image has the status in which they may change.
      const bound = attributes['disk_format'] !== undefined || attributes['container_format'] !== undefined
      const changed = await data.image_update(caller, {
        image_id: image.id,
        values: {
          ...attributes,
          ...(tags === undefined ? {} : { tags }),
          properties,
        },
        drop_props: removed,
        from_state: bound ? image.status : null,
      })
      return shownImage(context, changed, caller)
    },
  )
}

/** Extra properties; internal ones are nobody's to write, so a save neither keeps nor purges them. */
const propertiesOf = (image: ImageRecord): Record<string, string> =>
  Object.fromEntries(image.properties.filter(({ name }) => !name.startsWith('os_glance')).map(({ name, value }) => [name, value ?? '']))

function requireAllowed(image: ImageRecord, caller: Caller, attributes: Readonly<Record<string, unknown>>): void {
  if (attributes['owner'] !== undefined && attributes['owner'] !== image.owner && !caller.isAdmin)
    throw errors.ownerChange({}, { field: 'owner' })
  for (const field of ['disk_format', 'container_format'] as const)
    if (attributes[field] !== undefined && attributes[field] !== image[field] && !formatsMayChange(image.status))
      throw errors.formatLocked({ field, status: image.status }, { field })
}
