import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { NetworkError, type Endpoint, type HttpRequest, type HttpResponse, type World } from '@murmuration/world'
import { readByteRange } from '../rules/byte-range.ts'
import { readPieces, totalSize, type Piece } from './seed/pieces.ts'

/** What a URL names; all of it digits and letters of ours. */
export interface WantedImage {
  readonly release: string
  readonly subcloudId: number
  readonly token: string
  readonly name: ImageName
}
/** What an installation boots from; what a restore of an installed host reads. */
export type ImageName = 'bootimage.iso' | 'seed.iso'
/** An image, put together while it is read. */
export type ServedImage = readonly Piece[]

/** Images under way at once in one process: a fleet is installed in parts of this size. */
const transfersMost = 64
/** A reader that takes nothing for so long has gone. */
const stalledMs = 120_000
const bytesOfInjected = 1_048_576

/** As the reference has it (dcmanager §4.4), with the id for the name and a token that only the BMC was told. */
const pathPattern = /^\/iso\/([0-9]{2}\.[0-9]{2})\/nodes\/([1-9][0-9]{0,9})\/([A-Za-z0-9_-]{43})\/(bootimage\.iso|seed\.iso)$/
export const imagePath = ({ release, subcloudId, token, name }: WantedImage): string =>
  `/iso/${release}/nodes/${subcloudId}/${token}/${name}`

/** Of its size, and of what in it is none of a file's: the same image, whoever puts it together. */
function etagOf(image: ServedImage, size: number): string {
  const own = image.filter((piece) => 'data' in piece)
  if (own.length === 0) return `"${size.toString(16)}"`
  const hash = createHash('sha256')
  for (const { data } of own) hash.update(data)
  return `"${size.toString(16)}-${hash.digest('hex').slice(0, 16)}"`
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: { readonly image: ServedImage; readonly start: number; readonly end: number }
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
    const image =
      parts === null
        ? undefined
        : await imageOf({ release: parts[1]!, subcloudId: Number(parts[2]), token: parts[3]!, name: parts[4] as ImageName })
    if (image === undefined) return { status: 404, headers: {} }
    const size = totalSize(image)
    const etag = etagOf(image, size)
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
    return { status, headers: told, body: { image, start, end } }
  }

  /** An image that is shorter than was promised breaks the connection. */
  const piecesOf = ({ image, start, end }: NonNullable<Answer['body']>): AsyncGenerator<Uint8Array> =>
    readPieces(world.files, image, { start, end })

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
