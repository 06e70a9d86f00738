import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { World } from '@murmuration/world'
import { collect } from '../body/collect.ts'
import { JsonRefused, readJsonBytes } from '../body/json.ts'
import { ApiError } from '../errors.ts'

export const bodyDeadlineMs = 30_000

/**
 * One parser for every content type, since clients send JSON under any label or none: an empty body is undefined, a route with
 * `config.stream` gets the stream, all else is checked JSON (stack-notes §4.3).
 */
export function readBodies(app: FastifyInstance, world: World, limitBytes: number): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (request: FastifyRequest, payload: FastifyRequest['raw']) => {
    const { config, bodyLimit } = request.routeOptions
    if (config.stream === true) return payload
    const bytes = await collect(world, payload, request.headers['content-length'], bodyLimit ?? limitBytes, bodyDeadlineMs)
    if (bytes.length === 0) return undefined
    refuseOtherLabels(request.headers['content-type'])
    try {
      return readJsonBytes(bytes)
    } catch (error) {
      if (!(error instanceof JsonRefused)) throw error
      throw new ApiError(400, 'malformedJson', `Malformed JSON in the request body: ${error.message}.`)
    }
  })
}

function refuseOtherLabels(contentType: string | undefined): void {
  if (contentType === undefined) return
  const [type = '', ...parameters] = contentType.split(';', 8).map((part) => part.trim().toLowerCase())
  if (type.startsWith('multipart/') || type.startsWith('image/') || type === 'application/octet-stream') {
    throw new ApiError(415, 'unsupportedMediaType', 'This operation takes a JSON body.', {
      hint: 'Send it with Content-Type: application/json.',
    })
  }
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '')
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
    throw new ApiError(415, 'unsupportedMediaType', 'JSON is read as UTF-8 only.', { hint: 'Send the body in UTF-8.' })
  }
}

/** No name and no value holds a zero character: engines refuse it, and that would be our fault instead of the caller's. */
export function refuseZeroInUrl(request: FastifyRequest): void {
  if (request.url.includes('%00')) throw new ApiError(400, 'zeroInUrl', 'The URL holds a zero character.')
}

/** Of two hosts a server before us may have taken the other one (attacks 4). */
export function refuseTwoHosts({ raw }: FastifyRequest): void {
  let hosts = 0
  const { rawHeaders } = raw
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host' && ++hosts > 1)
      throw new ApiError(400, 'twoHosts', 'The request names its host twice.', { hint: 'Send one Host header.' })
}

/** Compressed requests are not offered, so a small body can't become a large one (attacks 6). */
export function refuseEncodings(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity') return
  throw new ApiError(415, 'unsupportedEncoding', 'Compressed request bodies are not accepted.', {
    hint: 'Send it without Content-Encoding.',
  })
}
