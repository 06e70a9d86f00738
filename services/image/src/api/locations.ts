import { createCheck, type App } from '@murmuration/http'
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { errors } from '../errors.ts'
import type { LocationChange } from '../rules/json-patch.ts'
import { ourselves, type Caller } from '../store/caller.ts'
import type { ImageRecord } from '../store/records.ts'
import { hashAlgorithm } from '../work/transfers.ts'
import { callerOf, targetOf, type ApiContext } from './context.ts'
import { visibleImage } from './images.ts'
import { sourceOf } from './import.ts'
import { ImageParams } from './schemas.ts'

const NewLocation = Type.Object(
  {
    url: Type.String(),
    validation_data: Type.Optional(
      Type.Object({ os_hash_algo: Type.String(), os_hash_value: Type.String({ pattern: '^[0-9a-fA-F]{128}$' }) }),
    ),
  },
  { title: 'NewLocation' },
)
const checkLocation = createCheck(NewLocation)
function readLocation(raw: unknown): Static<typeof NewLocation> {
  const { value, problems } = checkLocation(raw)
  if (problems[0] !== undefined) throw errors.badField({ field: 'locations', why: problems[0].message }, { field: 'locations' })
  return value
}

const StoreParams = Type.Object({ store_id: Type.String(), image_id: Type.String() })

/**
 * Where the data of images lies (reference image §1.11). A location that a caller sets is fetched into the default store by a job, under the
 * rules of web-download, and judged like all data: nobody makes the service read a file of its own host (attacks 21).
 */
export function locationRoutes(app: App, context: ApiContext): void {
  const { data, stores, transfers } = context
  const config = { policy: 'in-handler' }

  /** Services see all images here, whatever project they are in: they carry out what others asked for. */
  const serviceOr = (request: FastifyRequest, caller: Caller): Caller => (request.identity.roles.includes('service') ? ourselves : caller)
  const imageFor = async (caller: Caller, id: string): Promise<ImageRecord> => {
    const image = await data.image_get(caller, { image_id: id })
    if (image.deleted) throw errors.imageNotFound({ id })
    return image
  }

  app.post(
    '/v2/images/:image_id/locations',
    { config, schema: { summary: 'Set where the data of an image is', params: ImageParams, body: NewLocation } },
    async (request, reply) => {
      const caller = callerOf(request)
      const asking = serviceOr(request, caller)
      const image = await imageFor(asking, request.params.image_id)
      request.authorize('add_image_location', targetOf(image, caller))
      if (asking === caller) requireOwnSources(context, caller)
      await beginLocation(context, asking, image, request.body)
      return reply.code(202).send('')
    },
  )

  app.get(
    '/v2/images/:image_id/locations',
    { config, schema: { summary: 'List where the data of an image is', params: ImageParams } },
    async (request) => {
      const caller = callerOf(request)
      const image = await imageFor(serviceOr(request, caller), request.params.image_id)
      request.authorize('fetch_image_location', targetOf(image, caller))
      return image.locations.map(({ url, metadata }) => ({ url, metadata }))
    },
  )

  app.delete(
    '/v2/stores/:store_id/:image_id',
    { config, schema: { summary: 'Delete an image from one store', params: StoreParams } },
    async (request, reply) => {
      const { store_id: store, image_id: id } = request.params
      const caller = callerOf(request)
      const image = await visibleImage(context, request, id)
      request.authorize('get_image_location', targetOf(image, caller))
      request.authorize('delete_image_location', targetOf(image, caller))
      if (!stores.several) throw errors.notFound({ what: 'Multi backend is not supported at this site.' })
      if (stores.find(store) === undefined) throw errors.conflict({ why: `There is no store '${store.slice(0, 64)}'.` })
      await data.data_remove(caller, { image_id: id, store })
      await transfers.removeBytesOf(id)
      return reply.code(204).send()
    },
  )
}

/** Where nobody may have URLs fetched, only services and admins set them. */
function requireOwnSources({ site }: ApiContext, caller: Caller): void {
  if (!caller.isAdmin && !site.config.image.importMethods.includes('web-download')) throw errors.foreignLocation()
}

/** A job fetches it, judges it, and makes the image active. */
async function beginLocation(
  context: ApiContext,
  asking: Caller,
  image: ImageRecord,
  { url, validation_data: expected }: Static<typeof NewLocation>,
): Promise<void> {
  const { data, stores } = context
  if (image.disk_format === null || image.container_format === null) throw errors.formatsMissing()
  if (expected !== undefined && expected.os_hash_algo !== hashAlgorithm)
    throw errors.badField({ field: 'os_hash_algo', why: `must be ${hashAlgorithm}` }, { field: 'validation_data.os_hash_algo' })
  const uri = await sourceOf(context, url, 'url')
  await data.import_begin(asking, {
    image_id: image.id,
    method: 'location',
    stores: [stores.default.id],
    all_must_succeed: true,
    uri,
    task_type: 'location_import',
    ...(expected === undefined ? {} : { expected: { ...expected, os_hash_value: expected.os_hash_value.toLowerCase() } }),
  })
}

/**
 * The old way to set and remove locations, by PATCH (reference image §1.11), where the operator allows it. It does what the new ways do: the
 * image is `importing` in the answer, and active when its bytes are here. Several places are made by copies, never by a second URL.
 */
export async function changeLocation(
  context: ApiContext,
  request: FastifyRequest,
  id: string,
  change: LocationChange,
): Promise<ImageRecord> {
  const { data, transfers } = context
  const caller = callerOf(request)
  const image = await visibleImage(context, request, id)
  request.authorize('modify_image', targetOf(image, caller))
  request.authorize('remove' in change ? 'delete_image_location' : 'set_image_location', targetOf(image, caller))
  if ('remove' in change) {
    const store = image.locations[change.remove]?.metadata['store']
    if (typeof store !== 'string') throw errors.badRequest({ why: `There is no location ${change.remove}.` })
    await data.data_remove(caller, { image_id: image.id, store })
    await transfers.removeBytesOf(image.id)
  } else {
    requireOwnSources(context, caller)
    await beginLocation(context, caller, image, readLocation(change.add))
  }
  return data.image_get(caller, { image_id: image.id })
}
