import { S3ServiceException } from '@aws-sdk/client-s3'
import { NetworkError, type NetworkErrorCode } from '@murmuration/world'
import { StoreUnavailable } from './unavailable.ts'

export const isMissing = (error: unknown): boolean => error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404

const full: ReadonlySet<string> = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'ServiceQuotaExceeded'])

const keys = 'it does not accept the keys of this site'
const bucket = 'its bucket is not there'
const busy = 'it is too busy'
const elsewhere = 'the bucket belongs to another region or address'
/** What a store answered, as people say it. */
const answered: Readonly<Record<string, string>> = {
  AccessDenied: keys,
  InvalidAccessKeyId: keys,
  SignatureDoesNotMatch: keys,
  NoSuchBucket: bucket,
  NoSuchKey: 'the data is not there any more',
  RequestTimeTooSkewed: 'its clock and that of this site differ',
  SlowDown: busy,
  ServiceUnavailable: busy,
  PermanentRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
}
/** An answer without a body has a status only; the SDK has these names for it. */
const nameless: ReadonlySet<string> = new Set(['Unknown', 'NotFound', 'Forbidden'])
const answeredStatus: Readonly<Record<number, string>> = { 301: elsewhere, 403: keys, 404: bucket, 503: busy }
const unanswered: Readonly<Partial<Record<NetworkErrorCode, string>>> = {
  timeout: 'it does not answer in time',
  tls: 'its certificate is not accepted',
  dns: 'the name of its host can not be resolved',
}

/** What a store answered, in words of ours: full, or not to be had. What is no answer at all is not to be had either. */
export function storeFailure(store: string, doing: string, error: unknown): unknown {
  if (error instanceof StoreUnavailable) return error
  if (error instanceof NetworkError)
    return new StoreUnavailable(store, doing, {
      why: unanswered[error.code] ?? 'it can not be reached',
      details: error.message,
      cause: error,
    })
  const status = (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode
  // No answer of the SDK's: ours, or a mistake.
  if (!(error instanceof Error) || (status === undefined && !('$response' in error))) return error
  if (full.has(error.name) || status === 507)
    return Object.assign(new Error(`the store ${store} is full`, { cause: error }), { code: 'ENOSPC' })
  const why = (nameless.has(error.name) ? answeredStatus[status ?? 0] : answered[error.name]) ?? 'it answers with an error'
  return new StoreUnavailable(store, doing, { why, details: `${error.name}, status ${status ?? 'unknown'}`, cause: error })
}

/** Everything that S3 writes or shows has a tag. Who answers without one is somebody else: a proxy's page is not the bytes of an image. */
export function requireTag(store: string, doing: string, tag: string | undefined): string {
  if (tag === undefined || tag === '') throw new StoreUnavailable(store, doing, { why: 'what answers there does not speak S3' })
  return tag
}
