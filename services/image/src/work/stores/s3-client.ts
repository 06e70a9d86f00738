import { Readable } from 'node:stream'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NetworkError, type World } from '@murmuration/world'

export interface S3Place {
  readonly id: string
  readonly endpoint: string
  readonly region: string
}

/** From the last byte that was sent. */
const questionDeadlineMs = 60_000
/** Some stores copy all parts together before they answer. */
const completeDeadlineMs = 900_000
const stallMs = 60_000
const pieceBytes = 64 * 1024
const attempts = 3
/** Of the connection, not of the request: the world sets its own. */
const hopByHop: ReadonlySet<string> = new Set(['connection', 'expect', 'transfer-encoding'])

/** What the SDK wants to send, as far as we use it. */
interface Sending {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number
  readonly path: string
  readonly method: string
  readonly query: Readonly<Record<string, string | string[] | null>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** The SDK signs, retries and reads answers; its bytes go through the world's door. */
export function createS3Client(world: World, place: S3Place, credentials: NonNullable<S3ClientConfig['credentials']>): S3Client {
  /** Tells the SDK which failures of the network are worth another attempt: what waited for long once would wait for long again. */
  const streamOf: World['net']['stream'] = async (request) => {
    try {
      return await world.net.stream(request)
    } catch (error) {
      const passing = error instanceof NetworkError && (error.code === 'reset' || error.code === 'refused')
      throw passing ? Object.assign(error, { $retryable: {} }) : error
    }
  }
  const handle = async (request: Sending, { abortSignal }: { abortSignal?: AbortSignal } = {}) => {
    const body = bodyOf(request.body)
    const answer = await streamOf({
      method: request.method,
      url: urlOf(request),
      headers: Object.fromEntries(Object.entries(request.headers).filter(([name]) => !hopByHop.has(name.toLowerCase()))),
      // In pieces: a part of 128 MiB takes its time over a thin line, and a store that takes no more of it is told from that.
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : piecesOf(body) }),
      deadlineMs: typeof body === 'string' ? completeDeadlineMs : questionDeadlineMs,
      stallMs,
      ...(abortSignal === undefined ? {} : { signal: abortSignal }),
    })
    const { status: statusCode, headers } = answer
    const bytes = Readable.from(answer.body, { objectMode: false, highWaterMark: 1 })
    // Also when nobody has read it.
    bytes.once('close', () => answer.discard())
    return { response: { statusCode, headers, body: bytes } }
  }
  return new S3Client({
    endpoint: place.endpoint,
    region: place.region,
    credentials,
    // A bucket is no part of a host's name in stores of one's own.
    forcePathStyle: true,
    maxAttempts: attempts,
    // Ours are computed over the whole; further ones are not known to every store.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { handle, updateHttpClientConfig() {}, httpHandlerConfigs: () => ({}) },
  })
}

function bodyOf(body: unknown): Uint8Array | string | undefined {
  if (body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array) return body ?? undefined
  throw new Error('only whole parts are sent to a store')
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

function urlOf({ protocol, hostname, port, path, query }: Sending): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => `${escaped(name)}=${escaped(one ?? '')}`),
  )
  const host = hostname.includes(':') && !hostname.startsWith('[') ? `[${hostname}]` : hostname
  return `${protocol}//${host}${port === undefined ? '' : `:${port}`}${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
}

/** As signatures want it. */
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
