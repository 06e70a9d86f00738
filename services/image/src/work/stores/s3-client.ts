import { Readable } from 'node:stream'
import { S3Client, S3ServiceException, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NetworkError, type World } from '@murmuration/world'
import { StoreUnavailable } from './unavailable.ts'

export interface S3Place {
  readonly id: string
  readonly endpoint: string
  readonly region: string
}

/** Sending a part of 128 MiB over a thin line takes its time. */
const partDeadlineMs = 900_000
const questionDeadlineMs = 60_000
const stallMs = 60_000
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
  const handle = async (request: Sending, { abortSignal }: { abortSignal?: AbortSignal } = {}) => {
    const body = bodyOf(request.body)
    const answer = await world.net.stream({
      method: request.method,
      url: urlOf(request),
      headers: Object.fromEntries(Object.entries(request.headers).filter(([name]) => !hopByHop.has(name.toLowerCase()))),
      ...(body === undefined ? {} : { body }),
      deadlineMs: body === undefined ? questionDeadlineMs : partDeadlineMs,
      stallMs,
      ...(abortSignal === undefined ? {} : { signal: abortSignal }),
    })
    const { status: statusCode, headers } = answer
    return { response: { statusCode, headers, body: Readable.from(answer.body, { objectMode: false, highWaterMark: 1 }) } }
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

export const isMissing = (error: unknown): boolean => error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404

const full: ReadonlySet<string> = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'ServiceQuotaExceeded'])

/** What a store answered, in words of ours: full, or not to be had. What is no answer at all is not to be had either. */
export function storeFailure(store: string, doing: string, error: unknown): unknown {
  if (error instanceof S3ServiceException) {
    if (full.has(error.name) || error.$metadata.httpStatusCode === 507)
      return Object.assign(new Error(`the store ${store} is full`, { cause: error }), { code: 'ENOSPC' })
    return new StoreUnavailable(store, `${doing} (${error.name})`, { cause: error })
  }
  // The SDK gives the world's own errors through.
  return error instanceof NetworkError ? new StoreUnavailable(store, doing, { cause: error }) : error
}
