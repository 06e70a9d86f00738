import type { ImageBody } from '../../api/image-types.ts'
import type { Row } from '../../output/format.ts'

const tagsOf = ({ tags }: ImageBody): string => tags.toSorted().join(', ')

const links = new Set(['self', 'file', 'schema'])
const base = ['id', 'name', 'status', 'visibility', 'protected', 'os_hidden', 'owner', 'disk_format', 'container_format', 'size', 'virtual_size', 'min_disk', 'min_ram', 'checksum', 'os_hash_algo', 'os_hash_value', 'stores', 'tags', 'created_at', 'updated_at'] as const // prettier-ignore

/** Every field of one image; extra properties follow under their own names. */
export function fieldsOf(image: ImageBody): Row {
  const known = base.filter((name) => image[name] !== undefined).map((name) => [name, name === 'tags' ? tagsOf(image) : image[name]])
  const extra = Object.entries(image).filter(([name]) => !links.has(name) && !(base as readonly string[]).includes(name))
  return Object.fromEntries([...known, ...extra.toSorted(([a], [b]) => a.localeCompare(b))]) as Row
}

export const listColumns = ['id', 'name', 'status', 'size', 'disk format', 'visibility'] as const
export const detailColumns = [...listColumns, 'container format', 'checksum', 'protected', 'owner', 'stores', 'tags', 'created at'] as const

export const listRow = (image: ImageBody): Row => ({
  id: image.id,
  name: image.name,
  status: image.status,
  size: image.size,
  'disk format': image.disk_format,
  visibility: image.visibility,
  'container format': image.container_format,
  checksum: image.checksum,
  protected: image.protected,
  owner: image.owner,
  stores: image.stores ?? null,
  tags: tagsOf(image),
  'created at': image.created_at,
})
