import type { Identity } from '@murmuration/http'
import type { Site } from '@murmuration/site'
import type { Caller } from '../store/caller.ts'
import type { ImageData } from '../store/image-data.ts'
import type { ImageRecord } from '../store/records.ts'
import { imageToWire } from '../wire/image.ts'
import type { Stores } from '../work/stores/stores.ts'
import type { Transfers } from '../work/transfers.ts'

/** What the routes work with; service.ts puts it together. */
export interface ApiContext {
  readonly site: Pick<Site, 'world' | 'config'>
  readonly data: ImageData
  readonly stores: Stores
  readonly transfers: Transfers
  /** Aborted when the process goes down: uploads end then and give their claims back. */
  readonly closing: AbortSignal
}

export interface Asked {
  readonly identity: Identity
  readonly requestId: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Behind the first question mark; any further one is a letter like others. */
export const queryOf = ({ url }: { readonly url: string }): URLSearchParams =>
  new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '')

export const callerOf = (request: Asked): Caller => {
  const { identity, requestId } = request
  const token = request.headers['x-auth-token']
  return {
    isAdmin: identity.roles.includes('admin'),
    owner: identity.projectId ?? null,
    userId: identity.userId,
    requestId,
    ...(typeof token === 'string' ? { token } : {}),
  }
}

/** What policy rules on an image are asked about. The caller counts as member where the image is shared: else it could not see it. */
export const targetOf = (image: Pick<ImageRecord, 'owner' | 'visibility'>, caller: Caller): Record<string, unknown> => ({
  project_id: image.owner ?? '',
  owner: image.owner ?? '',
  visibility: image.visibility,
  ...(image.visibility === 'shared' && image.owner !== caller.owner && caller.owner !== null ? { member_id: caller.owner } : {}),
})

/** An image as this site shows it to somebody: where its data is, its owner may know. */
export const shownImage = (
  { stores, site }: Pick<ApiContext, 'stores' | 'site'>,
  image: ImageRecord,
  caller: Caller,
): Record<string, unknown> => {
  const theirs = caller.isAdmin || (caller.owner !== null && caller.owner === image.owner)
  return imageToWire(image, { severalStores: stores.several, locations: theirs && site.config.image.locations === 'shown' })
}
