import { flag, isForeignKeyViolation, isUniqueViolation, json } from '@murmuration/data'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import * as store from '../store/devices.ts'
import * as wire from '../wire/resources.ts'
import { printable } from './patch.ts'
import type { Routes } from './room.ts'

const images = {
  get: { config: { policy: 'platform_api:device_images:get' } },
  modify: { config: { policy: 'platform_api:device_images:modify' } },
}
const devicesOf = { get: { config: { policy: 'platform_api:devices:get' } }, modify: { config: { policy: 'platform_api:devices:modify' } } }
const Id = Type.Object({ id: Type.String() })
const Uuid = Type.String({ pattern: '^[0-9a-f-]{36}$' })
const PciId = Type.String({ pattern: '^[0-9a-f]{4}$' })
const Text = Type.String({ maxLength: 255, pattern: printable })
const Labels = Type.Record(Type.String({ pattern: '^[A-Za-z0-9._/-]{1,255}$' }), Text, { maxProperties: 64, additionalProperties: false })
const NewImage = Type.Object(
  {
    bitstream_type: Type.Enum(['root-key', 'functional', 'key-revocation']),
    pci_vendor: PciId,
    pci_device: PciId,
    bitstream_id: Type.Optional(Text),
    key_signature: Type.Optional(Text),
    revoke_key_id: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
    name: Type.Optional(Text),
    description: Type.Optional(Text),
    image_version: Type.Optional(Text),
  },
  { additionalProperties: false },
)
const NewDevice = Type.Object(
  {
    host_uuid: Uuid,
    name: Text,
    pvendor_id: PciId,
    pdevice_id: PciId,
    enabled: Type.Optional(Type.Boolean()),
    labels: Type.Optional(Labels),
  },
  { additionalProperties: false },
)
const Report = Type.Object(
  { device_uuid: Uuid, image_uuid: Uuid, status: Type.Enum(['pending', 'in-progress', 'completed', 'failed']) },
  { additionalProperties: false },
)

export const devices: Routes = (app, { world, database, now }) => {
  app.get('/v1/device_images', images.get, async () => ({ device_images: (await store.listImages(database)).map(wire.deviceImage) }))
  app.get('/v1/device_images/:id', { ...images.get, schema: { params: Id } }, async ({ params }) => {
    const found = await store.findImage(database, params.id)
    if (found === undefined) throw errors.notFound({ what: 'Device image', ref: params.id })
    return wire.deviceImage(found)
  })
  app.post('/v1/device_images', { ...images.modify, schema: { body: NewImage } }, async ({ body }, reply) => {
    const added = await store.addImage(database, {
      uuid: world.random.uuid(),
      bitstream_type: body.bitstream_type,
      pci_vendor: body.pci_vendor,
      pci_device: body.pci_device,
      bitstream_id: body.bitstream_id ?? null,
      key_signature: body.key_signature ?? null,
      revoke_key_id: body.revoke_key_id ?? null,
      name: body.name ?? null,
      description: body.description ?? null,
      image_version: body.image_version ?? null,
      applied: flag(false),
      applied_labels: json.write({}),
      created_at: now(),
      updated_at: null,
    })
    return reply.code(201).send(wire.deviceImage(added))
  })
  /** `?action=apply|remove`; the body of apply names the labels of the devices that it is meant for. */
  app.patch(
    '/v1/device_images/:id',
    {
      ...images.modify,
      schema: { params: Id, querystring: Type.Object({ action: Type.Enum(['apply', 'remove']) }), body: Type.Union([Labels, Type.Null()]) },
    },
    async ({ params, query, body }) => {
      const applies = query.action === 'apply'
      const changes = { applied: flag(applies), applied_labels: json.write(applies ? (body ?? {}) : {}) }
      const changed = await store.changeImage(database, params.id, changes, now())
      if (changed === undefined) throw errors.notFound({ what: 'Device image', ref: params.id })
      return wire.deviceImage(changed)
    },
  )
  app.delete('/v1/device_images/:id', { ...images.modify, schema: { params: Id } }, async ({ params }, reply) => {
    await store.removeImage(database, params.id)
    return reply.code(204).send()
  })

  app.get('/v1/pci_devices', devicesOf.get, async () => ({ pci_devices: (await store.listDevices(database)).map(wire.device) }))
  app.post('/v1/pci_devices', { ...devicesOf.modify, schema: { body: NewDevice } }, async ({ body }, reply) => {
    try {
      const added = await store.addDevice(database, {
        uuid: world.random.uuid(),
        host_uuid: body.host_uuid,
        name: body.name,
        pvendor_id: body.pvendor_id,
        pdevice_id: body.pdevice_id,
        enabled: flag(body.enabled ?? true),
        labels: json.write(body.labels ?? {}),
        created_at: now(),
      })
      return await reply.code(201).send(wire.device(added))
    } catch (error) {
      if (isUniqueViolation(error)) throw errors.taken({ what: 'Device', ref: body.name }, { field: 'name' })
      if (isForeignKeyViolation(error)) throw errors.notFound({ what: 'Host', ref: body.host_uuid }, { field: 'host_uuid' })
      throw error
    }
  })
  app.patch(
    '/v1/pci_devices/:id',
    {
      ...devicesOf.modify,
      schema: {
        params: Id,
        body: Type.Object(
          { enabled: Type.Optional(Type.Boolean()), labels: Type.Optional(Labels) },
          { additionalProperties: false, minProperties: 1 },
        ),
      },
    },
    async ({ params, body }) => {
      const changed = await store.changeDevice(database, params.id, {
        ...(body.enabled === undefined ? {} : { enabled: flag(body.enabled) }),
        ...(body.labels === undefined ? {} : { labels: json.write(body.labels) }),
      })
      if (changed === undefined) throw errors.notFound({ what: 'Device', ref: params.id })
      return wire.device(changed)
    },
  )
  app.delete('/v1/pci_devices/:id', { ...devicesOf.modify, schema: { params: Id } }, async ({ params }, reply) => {
    if (!(await store.removeDevice(database, params.id))) throw errors.notFound({ what: 'Device', ref: params.id })
    return reply.code(204).send()
  })

  app.get('/v1/device_image_state', devicesOf.get, async () => ({
    device_image_state: (await store.listImageStates(database)).map((state) => ({ ...state, updated_at: wire.time(state.updated_at) })),
  }))
  app.post('/v1/device_image_state', { ...devicesOf.modify, schema: { body: Report } }, async ({ body }, reply) => {
    try {
      await store.reportImageState(database, { ...body, updated_at: now() })
      return await reply.code(204).send()
    } catch (error) {
      if (isForeignKeyViolation(error)) throw errors.notFound({ what: 'Device or image', ref: `${body.device_uuid} / ${body.image_uuid}` })
      throw error
    }
  })
}
