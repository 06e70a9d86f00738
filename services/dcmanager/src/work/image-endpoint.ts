import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { NetworkError, type Endpoint, type HttpRequest, type HttpResponse, type World } from '@murmuration/world'
import { readByteRange } from '../rules/byte-range.ts'

/** What a URL names; all of it digits and letters of ours. */
export interface WantedImage {
  readonly release: string
  readonly subcloudId: number
  readonly token: string
}
export interface ServedImage {
  readonly path: string
  readonly size: number
}

/** Images under way at once in one process: a fleet is installed in parts of this size. */
const transfersMost = 64
/** A reader that takes nothing for so long has gone. */
const stalledMs = 120_000
const bytesOfInjected = 1_048_576

/** As the reference has it (dcmanager §4.4), with the id for the name and a token that only the BMC was told. */
const pathPattern = /^\/iso\/([0-9]{2}\.[0-9]{2})\/nodes\/([1-9][0-9]{0,9})\/([A-Za-z0-9_-]{43})\/bootimage\.iso$/
export const imagePath = ({ release, subcloudId, token }: WantedImage): string =>
  `/iso/${release}/nodes/${subcloudId}/${token}/bootimage.iso`

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: { readonly path: string; readonly start: number; readonly end: number }
}

/**
 * Serves installation images to BMCs, read only: GET and HEAD, whole or one range, a piece at a time. `imageOf` says what a URL may
 * have; everything else is not found, whatever the reason.
 */
export function imageEndpoint(world: World, imageOf: (wanted: WantedImage) => Promise<ServedImage | undefined>): Endpoint {
  let transfers = 0

  async function answerTo(method: string, target: string, headers: Readonly<Record<string, unknown>>): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' } }
    const parts = pathPattern.exec(target)
    const image = parts === null ? undefined : await imageOf({ release: parts[1]!, subcloudId: Number(parts[2]), token: parts[3]! })
    if (image === undefined) return { status: 404, headers: {} }
    const { path, size } = image
    const etag = `"${size.toString(16)}"`
    const common = { 'accept-ranges': 'bytes', 'cache-control': 'no-store', 'content-type': 'application/octet-stream', etag }
    const ifRange = headers['if-range']
    const asked = ifRange === undefined || ifRange === etag ? headers['range'] : undefined
    const range = method === 'GET' ? readByteRange(typeof asked === 'string' ? asked : undefined, size) : undefined
    if (range === 'none') return { status: 416, headers: { ...common, 'content-range': `bytes */${size}` } }
    const { start, end } = range ?? { start: 0, end: size - 1 }
    const told = {
      ...common,
      'content-length': String(end - start + 1),
      ...(range === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    }
    const status = range === undefined ? 200 : 206
    if (method === 'HEAD' || size === 0) return { status, headers: told }
    if (transfers >= transfersMost) return { status: 503, headers: { 'retry-after': '10' } }
    return { status, headers: told, body: { path, start, end } }
  }

  /** An image that is shorter than was promised breaks the connection: the rest would be taken for it. */
  async function* piecesOf(body: NonNullable<Answer['body']>): AsyncGenerator<Uint8Array> {
    let missing = body.end - body.start + 1
    for await (const piece of world.files.stream(body.path, body)) {
      missing -= piece.length
      yield piece
    }
    if (missing > 0) throw new Error('the image became shorter while it was sent')
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Nobody sends a body here; what comes is dropped.
    request.resume()
    const { status, headers, body } = await answerTo(request.method ?? '', request.url ?? '', request.headers)
    response.writeHead(status, { ...(status >= 400 ? { 'content-length': '0' } : {}), ...headers })
    if (body === undefined) return void response.end()
    transfers += 1
    try {
      response.setTimeout(stalledMs, () => response.destroy())
      await pipeline(piecesOf(body), response)
    } finally {
      transfers -= 1
    }
  }

  return {
    handle(request, response) {
      respond(request, response).catch((error: unknown) => {
        // A BMC that has read what it wanted goes without a word.
        if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE')
          world.log.warn('an installation image could not be sent', { error })
        if (response.headersSent) response.destroy()
        else response.writeHead(500, { 'content-length': '0' }).end()
      })
    },
    async inject(request: HttpRequest): Promise<HttpResponse> {
      const { status, headers, body } = await answerTo(request.method, new URL(request.url).pathname, request.headers ?? {})
      const pieces: Uint8Array[] = []
      let left = request.maxResponseBytes ?? bytesOfInjected
      if (body !== undefined)
        for await (const piece of piecesOf(body)) {
          left -= piece.length
          if (left < 0) throw new NetworkError('too-large', `${request.method} ${new URL(request.url).origin}`)
          pieces.push(piece)
        }
      return { status, headers, body: new Uint8Array(Buffer.concat(pieces)) }
    },
  }
}
