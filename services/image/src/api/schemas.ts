import { Type } from 'typebox'

/** Base attributes of an image; extra properties stand beside them as texts. */
export const Image = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  title: 'Image',
  properties: {
    id: { type: 'string' },
    name: { type: ['string', 'null'] },
    status: { type: 'string' },
    visibility: { type: 'string' },
    protected: { type: 'boolean' },
    os_hidden: { type: 'boolean' },
    owner: { type: ['string', 'null'] },
    disk_format: { type: ['string', 'null'] },
    container_format: { type: ['string', 'null'] },
    min_disk: { type: 'integer' },
    min_ram: { type: 'integer' },
    size: { type: ['integer', 'null'] },
    virtual_size: { type: ['integer', 'null'] },
    checksum: { type: ['string', 'null'] },
    os_hash_algo: { type: ['string', 'null'] },
    os_hash_value: { type: ['string', 'null'] },
    tags: { type: 'array', items: { type: 'string' } },
    created_at: { type: 'string' },
    updated_at: { type: 'string' },
    self: { type: 'string' },
    file: { type: 'string' },
    schema: { type: 'string' },
  },
  additionalProperties: true,
})
export const ImageParams = Type.Object({ image_id: Type.String() })
