import type { App } from '@murmuration/http'
import { Type } from 'typebox'
import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import { limits } from '../rules/limits.ts'
import { beyondBmp } from '../rules/text.ts'
import type { ImageRecord, MemberRecord } from '../store/records.ts'
import { memberToWire } from '../wire/member.ts'
import { callerOf, targetOf, type ApiContext } from './context.ts'
import { visibleImage } from './images.ts'
import { ImageParams } from './schemas.ts'

const MemberParams = Type.Object({ image_id: Type.String(), member_id: Type.String() })
const Member = Type.Object({
  member_id: Type.String(),
  image_id: Type.String(),
  status: Type.String(),
  created_at: Type.String(),
  updated_at: Type.String(),
  schema: Type.String(),
})
const NewMember = Type.Object({ member: Type.String({ minLength: 1, maxLength: 255 }) }, { title: 'NewMember' })
const MemberStatus = Type.Object({ status: Type.String() }, { title: 'MemberStatus' })
const statuses = ['pending', 'accepted', 'rejected']

/** With whom an image is shared (reference image §1.9). */
export function memberRoutes(app: App, context: ApiContext): void {
  const { data } = context
  const config = { policy: 'in-handler' }

  const shared = async (request: FastifyRequest, id: string): Promise<ImageRecord> => {
    const image = await visibleImage(context, request, id)
    if (image.visibility !== 'shared') throw errors.notShared({ visibility: image.visibility })
    return image
  }
  /** The owner sees all rows, a member its own. */
  const rows = async (request: FastifyRequest, image: ImageRecord, member?: string): Promise<MemberRecord[]> =>
    data.image_member_find(callerOf(request), { image_id: image.id, member: member ?? null })
  const row = async (request: FastifyRequest, image: ImageRecord, member: string): Promise<MemberRecord> => {
    const [found] = await rows(request, image, member)
    if (found === undefined)
      throw errors.notFound({ what: `${member.slice(0, 255)} not found in the member list of the image ${image.id}.` })
    return found
  }

  app.post(
    '/v2/images/:image_id/members',
    { config, schema: { summary: 'Share an image with a project', params: ImageParams, body: NewMember, response: { 200: Member } } },
    async (request) => {
      const caller = callerOf(request)
      const image = await shared(request, request.params.image_id)
      request.authorize('add_member', targetOf(image, caller))
      const { member } = request.body
      if (beyondBmp(member)) throw errors.notText({}, { field: 'member' })
      const count = await data.image_member_count(caller, { image_id: image.id })
      if (count >= limits.members)
        throw errors.limitExceeded({
          why: `The limit has been exceeded on the number of allowed image members for this image. Attempted: ${count + 1}, Maximum: ${limits.members}`,
        })
      return memberToWire(await data.image_member_create(caller, { values: { image_id: image.id, member } }))
    },
  )

  app.get(
    '/v2/images/:image_id/members',
    {
      config,
      schema: {
        summary: 'List with whom an image is shared',
        params: ImageParams,
        response: { 200: Type.Object({ members: Type.Array(Member), schema: Type.String() }) },
      },
    },
    async (request) => {
      const image = await shared(request, request.params.image_id)
      request.authorize('get_members', targetOf(image, callerOf(request)))
      return { members: (await rows(request, image)).map(memberToWire), schema: '/v2/schemas/members' }
    },
  )

  app.get(
    '/v2/images/:image_id/members/:member_id',
    { config, schema: { summary: 'Show a project with which an image is shared', params: MemberParams, response: { 200: Member } } },
    async (request) => {
      const image = await visibleImage(context, request, request.params.image_id)
      const found = await row(request, image, request.params.member_id)
      request.authorize('get_member', targetOf(image, callerOf(request)))
      return memberToWire(found)
    },
  )

  app.put(
    '/v2/images/:image_id/members/:member_id',
    {
      config,
      schema: { summary: 'Accept or reject a shared image', params: MemberParams, body: MemberStatus, response: { 200: Member } },
    },
    async (request) => {
      const caller = callerOf(request)
      const { image_id: id, member_id: member } = request.params
      const image = await shared(request, id)
      request.authorize('modify_member', { ...targetOf(image, caller), member_id: member })
      if (caller.owner !== member && !caller.isAdmin) throw errors.memberOwnStatus()
      const { status } = request.body
      if (!statuses.includes(status))
        throw errors.badField({ field: 'status', why: `must be one of ${statuses.join(', ')}` }, { field: 'status' })
      const found = await row(request, image, member)
      return memberToWire(await data.image_member_update(caller, { memb_id: found.id, values: { status } }))
    },
  )

  app.delete(
    '/v2/images/:image_id/members/:member_id',
    { config, schema: { summary: 'End the sharing with a project', params: MemberParams } },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await shared(request, request.params.image_id)
      request.authorize('delete_member', targetOf(image, caller))
      const found = await row(request, image, request.params.member_id)
      await data.image_member_delete(caller, { memb_id: found.id })
      return reply.code(204).send()
    },
  )
}
