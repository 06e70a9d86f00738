import { containerFormats, diskFormats } from '../rules/attributes.ts'
import { allStatuses } from '../rules/status.ts'
import { visibilities } from '../rules/visibility.ts'

type Schema = Readonly<Record<string, unknown>>

const text = (description: string, more: Schema = {}): Schema => ({ type: 'string', description, ...more })
const nullable = (description: string, more: Schema = {}): Schema => ({ type: ['null', 'string'], description, ...more })
const fixed = (schema: Schema): Schema => ({ ...schema, readOnly: true })
const extra = (schema: Schema): Schema => ({ ...schema, is_base: false })

/** Clients fetch it first and judge by it what is an attribute and what a property (reference image §1.16). */
const imageProperties: Readonly<Record<string, Schema>> = {
  id: text('An identifier for the image', {
    pattern: '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
  }),
  name: nullable('Descriptive name for the image', { maxLength: 255 }),
  status: fixed(text('Status of the image', { enum: allStatuses })),
  visibility: text('Scope of image accessibility', { enum: visibilities }),
  protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
  os_hidden: { type: 'boolean', description: 'If true, image will not appear in default image list response.' },
  checksum: fixed(nullable('md5 hash of image contents.', { maxLength: 32 })),
  os_hash_algo: fixed(nullable('Algorithm to calculate the os_hash_value', { maxLength: 64 })),
  os_hash_value: fixed(nullable('Hexdigest of the image contents using the algorithm specified by the os_hash_algo', { maxLength: 128 })),
  owner: nullable('Owner of the image', { maxLength: 255 }),
  size: fixed({ type: ['null', 'integer'], description: 'Size of image file in bytes' }),
  virtual_size: fixed({ type: ['null', 'integer'], description: 'Virtual size of image in bytes' }),
  container_format: nullable('Format of the container', { enum: [null, ...containerFormats] }),
  disk_format: nullable('Format of the disk', { enum: [null, ...diskFormats] }),
  created_at: fixed(text('Date and time of image registration')),
  updated_at: fixed(text('Date and time of the last image modification')),
  tags: { type: 'array', description: 'List of strings related to the image', items: { type: 'string', maxLength: 255 } },
  direct_url: fixed(text('URL to access the image file kept in external store')),
  min_ram: { type: 'integer', description: 'Amount of ram (in MB) required to boot image.' },
  min_disk: { type: 'integer', description: 'Amount of disk space (in GB) required to boot image.' },
  self: fixed(text('An image self url')),
  file: fixed(text('An image file url')),
  schema: fixed(text('An image schema url')),
  stores: fixed(text('Store in which image data resides. A comma separated list.')),
  locations: {
    type: 'array',
    description: 'A set of URLs to access the image file kept in external store',
    items: {
      type: 'object',
      required: ['url', 'metadata'],
      properties: { url: { type: 'string', maxLength: 255 }, metadata: { type: 'object' }, validation_data: { type: 'object' } },
    },
  },
  // Properties that the field knows by name.
  architecture: extra(text('Operating system architecture')),
  os_distro: extra(text('Common name of operating system distribution')),
  os_version: extra(text('Operating system version as specified by the distributor.')),
  kernel_id: extra(nullable('ID of image stored in Glance that should be used as the kernel when booting an AMI-style image.')),
  ramdisk_id: extra(nullable('ID of image stored in Glance that should be used as the ramdisk when booting an AMI-style image.')),
  instance_uuid: extra(text('Metadata which can be used to record which instance this image is associated with.')),
}
const imageLinks = [
  { rel: 'self', href: '{self}' },
  { rel: 'enclosure', href: '{file}' },
  { rel: 'describedby', href: '{schema}' },
]
const memberProperties: Readonly<Record<string, Schema>> = {
  created_at: text('Date and time of image member creation'),
  image_id: text('An identifier for the image'),
  member_id: text('An identifier for the image member (tenantId)'),
  schema: fixed(text('An image member schema url')),
  status: text('The status of this image member', { enum: ['pending', 'accepted', 'rejected'] }),
  updated_at: text('Date and time of last modification of image member'),
}
const taskStub: Readonly<Record<string, Schema>> = {
  id: text('An identifier for the task'),
  type: text('The type of task represented by this content', { enum: ['import', 'api_image_import', 'location_import'] }),
  status: text('The current status of this task', { enum: ['pending', 'processing', 'success', 'failure'] }),
  owner: text('An identifier for the owner of this task'),
  expires_at: nullable('Datetime when this resource would be subject to removal'),
  created_at: text('Datetime when this resource was created'),
  updated_at: text('Datetime when this resource was updated'),
  self: fixed(text('A link to this resource')),
  schema: fixed(text('The schema of this resource')),
}
const taskProperties: Readonly<Record<string, Schema>> = {
  ...taskStub,
  input: { type: ['null', 'object'], description: 'The parameters required by task, JSON blob' },
  result: { type: ['null', 'object'], description: 'The result of current task, JSON blob' },
  message: nullable('Human-readable informative message only included when appropriate (usually on failure)'),
}

const object = (name: string, properties: Readonly<Record<string, Schema>>, more: Schema = {}): Schema => ({ name, properties, ...more })
const listed = (name: string, member: Schema, paged: boolean): Schema => ({
  name,
  properties: {
    [name]: { type: 'array', items: member },
    ...(paged ? { first: { type: 'string' }, next: { type: 'string' } } : {}),
    schema: { type: 'string' },
  },
  links: [
    ...(paged
      ? [
          { rel: 'first', href: '{first}' },
          { rel: 'next', href: '{next}' },
        ]
      : []),
    { rel: 'describedby', href: '{schema}' },
  ],
})

const image = object('image', imageProperties, { additionalProperties: { type: 'string' }, links: imageLinks })
const member = object('member', memberProperties)
const task = object('task', taskProperties)

/** `GET /v2/schemas/{name}`. */
export const schemas: Readonly<Record<string, Schema>> = {
  image,
  images: listed('images', image, true),
  member,
  members: listed('members', member, false),
  task,
  tasks: listed('tasks', object('task', taskStub), true),
}
