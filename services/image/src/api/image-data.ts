import { bodyPieces, byteRange, sendPieces, type App } from '@murmuration/http'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { callerOf, targetOf, type ApiContext } from './context.ts'
import { visibleImage } from './images.ts'
import { ImageParams } from './schemas.ts'

/** Nothing came for so long: the sender has gone. */
export const stallMs = 60_000

/** The bytes of images (reference image §1.7). */
export function imageDataRoutes(app: App, context: ApiContext): void {
  const { site, stores, transfers } = context
  const inHandler = { policy: 'in-handler' }

  app.put(
    '/v2/images/:image_id/file',
    {
      config: { ...inHandler, stream: true },
      schema: { summary: 'Upload the data of an image', params: ImageParams },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('upload_image', targetOf(image, caller))
      requireOctets(request.headers['content-type'])
      const announced = announcedSize(request.headers)
      const wanted = request.headers['x-image-meta-store']
      const store = typeof wanted === 'string' ? stores.find(wanted) : stores.default
      if (store === undefined) throw errors.unknownStore({ store: String(wanted).slice(0, 64), there: stores.ids.join(', ') })
      const pieces = bodyPieces(request.body, { world: site.world, stallMs, signal: context.closing })
      await transfers.upload({ caller, image, store, announced, pieces })
      return reply.code(204).send()
    },
  )

  app.get(
    '/v2/images/:image_id/file',
    {
      config: inHandler,
      schema: {
        summary: 'Download the data of an image',
        params: ImageParams,
        querystring: Type.Object({ prefer: Type.Optional(Type.String()) }),
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('download_image', targetOf(image, caller))
      if (image.status === 'deactivated' && !caller.isAdmin) throw errors.deactivated()
      const { prefer } = request.query
      if (prefer !== undefined) request.authorize('download_from_store', targetOf(image, caller))
      const preferred = (prefer ?? '').split(',').filter((id) => id !== '')
      const unknown = preferred.find((id) => stores.find(id) === undefined)
      if (unknown !== undefined) throw errors.unknownStore({ store: unknown.slice(0, 64), there: stores.ids.join(', ') })
      if (image.size === null || image.size === 0 || image.locations.length === 0) return reply.code(204).send()
      const range = rangeOf(request.headers, image.size, reply)
      const { start, end } = range ?? { start: 0, end: image.size - 1 }
      const headers = {
        'content-length': end - start + 1,
        'accept-ranges': 'bytes',
        ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${image.size}` }),
        ...(range === undefined && image.checksum !== null ? { 'content-md5': image.checksum } : {}),
      }
      void reply
        .code(range === undefined ? 200 : 206)
        .type('application/octet-stream')
        .headers(headers)
      try {
        await sendPieces(reply, transfers.read(image, preferred, { start, end }))
      } catch (error) {
        for (const name of Object.keys(headers)) void reply.removeHeader(name)
        throw error
      }
      return reply
    },
  )
}

export function requireOctets(contentType: string | undefined): void {
  if (contentType?.split(';', 1)[0]?.trim().toLowerCase() !== 'application/octet-stream') throw errors.notOctets()
}

/** What the sender says that will come; undefined where it says nothing. */
export function announcedSize(headers: Readonly<Record<string, string | string[] | undefined>>): number | undefined {
  const stated = headers['x-openstack-image-size'] ?? headers['content-length']
  if (stated === undefined) return undefined
  if (typeof stated !== 'string' || !/^\d{1,15}$/.test(stated))
    throw errors.badRequest({ why: 'The size of the image must be a whole number of bytes.' })
  return Number(stated)
}

function rangeOf(headers: Readonly<Record<string, unknown>>, size: number, reply: FastifyReply) {
  // An old way to ask: the range as an answer would state it.
  const legacy = typeof headers['content-range'] === 'string' ? /^bytes (\d+-\d+)\//.exec(headers['content-range'])?.[1] : undefined
  const asked = typeof headers['range'] === 'string' ? headers['range'] : legacy === undefined ? undefined : `bytes=${legacy}`
  if (asked === undefined) return undefined
  const range = byteRange(asked, size)
  if (range === 'several') throw errors.severalRanges()
  if (range === 'unsatisfiable') {
    void reply.header('content-range', `bytes */${size}`)
    throw errors.rangeUnsatisfiable({ size })
  }
  return range
}
