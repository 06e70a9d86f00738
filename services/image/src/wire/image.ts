import { visibleInternal, isBase } from '../rules/attributes.ts'
import type { ImageRecord, LocationRecord } from '../store/records.ts'
import { wireTime } from './times.ts'

/** The stores that hold the bytes of an image, each once, in the order of its locations. */
export const storesOf = (locations: readonly LocationRecord[]): string[] => [
  ...new Set(locations.flatMap(({ metadata }) => (typeof metadata['store'] === 'string' ? [metadata['store']] : []))),
]

/** An image as the API shows it (reference image §1.4): base attributes always, extra properties beside them as texts. */
export function imageToWire(
  image: ImageRecord,
  options: { readonly severalStores: boolean; readonly locations?: boolean },
): Record<string, unknown> {
  const self = `/v2/images/${image.id}`
  const body: Record<string, unknown> = {}
  for (const { name, value } of image.properties) {
    if (isBase(name) || (name.startsWith('os_glance') && !visibleInternal.has(name))) continue
    body[name] = value ?? ''
  }
  const stores = storesOf(image.locations)
  return {
    ...body,
    name: image.name,
    disk_format: image.disk_format,
    container_format: image.container_format,
    visibility: image.visibility,
    size: image.size,
    virtual_size: image.virtual_size,
    status: image.status,
    checksum: image.checksum,
    protected: image.protected,
    min_ram: image.min_ram,
    min_disk: image.min_disk,
    owner: image.owner,
    os_hidden: image.os_hidden,
    os_hash_algo: image.os_hash_algo,
    os_hash_value: image.os_hash_value,
    id: image.id,
    created_at: wireTime(image.created_at),
    updated_at: wireTime(image.updated_at),
    tags: image.tags ?? [],
    ...(options.locations === true ? { locations: image.locations.map(({ url, metadata }) => ({ url, metadata })) } : {}),
    ...(options.severalStores && stores.length > 0 ? { stores: stores.join(',') } : {}),
    self,
    file: `${self}/file`,
    schema: '/v2/schemas/image',
  }
}
