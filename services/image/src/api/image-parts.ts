import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { requireWithin } from '../rules/limits.ts'
import type { ImageStatus } from '../rules/status.ts'
import { beyondBmp } from '../rules/text.ts'
import { ourselves } from '../store/caller.ts'
import { callerOf, targetOf, type ApiContext } from './context.ts'
import { visibleImage } from './images.ts'
import { ImageParams } from './schemas.ts'

const TagParams = Type.Object({ image_id: Type.String(), tag: Type.String() })
const mostTagChars = 255

/** Tags, and taking an image out of use and back (reference image §1.3). */
export function imagePartRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const config = { policy: 'in-handler' }

  app.put(
    '/v2/images/:image_id/tags/:tag',
    { config, schema: { summary: 'Add a tag to an image', params: TagParams } },
    async (request, reply) => {
      const { image_id: id, tag } = request.params
      const caller = callerOf(request)
      const image = await visibleImage(context, request, id)
      request.authorize('modify_image', targetOf(image, caller))
      if (tag.length > mostTagChars)
        throw errors.badField({ field: 'tag', why: `must have at most ${mostTagChars} characters` }, { field: 'tag' })
      if (beyondBmp(tag)) throw errors.notText({}, { field: 'tag' })
      const tags = image.tags ?? []
      if (!tags.includes(tag)) {
        requireWithin('tags', tags.length + 1)
        await data.image_tag_create(caller, { image_id: id, value: tag })
      }
      return reply.code(204).send()
    },
  )

  app.delete(
    '/v2/images/:image_id/tags/:tag',
    { config, schema: { summary: 'Remove a tag from an image', params: TagParams } },
    async (request, reply) => {
      const { image_id: id, tag } = request.params
      const caller = callerOf(request)
      const image = await visibleImage(context, request, id)
      request.authorize('modify_image', targetOf(image, caller))
      await data.image_tag_delete(caller, { image_id: id, value: tag })
      return reply.code(204).send()
    },
  )

  const hasBytes = async (id: string): Promise<boolean> =>
    (await data.data_of_image(ourselves, { image_id: id })).some(({ state }) => state === 'stored')

  for (const [verb, to] of [
    ['deactivate', 'deactivated'],
    ['reactivate', 'active'],
  ] as const satisfies readonly (readonly [string, ImageStatus])[]) {
    app.post(
      `/v2/images/:image_id/actions/${verb}`,
      { config, schema: { summary: `${verb === 'deactivate' ? 'Deactivate' : 'Reactivate'} an image`, params: ImageParams } },
      async (request, reply) => {
        const caller = callerOf(request)
        const image = await visibleImage(context, request, request.params.image_id)
        request.authorize(verb, targetOf(image, caller))
        if (image.status !== 'active' && image.status !== 'deactivated') throw errors.activation({ verb, status: image.status })
        if (to === 'active' && !(await hasBytes(image.id))) throw errors.bytesLost({ id: image.id })
        // Twice is fine: it is what was wanted.
        if (image.status !== to) await data.image_update(caller, { image_id: image.id, values: { status: to }, from_state: image.status })
        return reply.code(204).send()
      },
    )
  }
}
