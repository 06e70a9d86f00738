import { bodyPieces, type App } from '@murmuration/http'
import { Type, type Static } from 'typebox'
import { errors } from '../errors.ts'
import { formatsMayChange } from '../rules/status.ts'
import { importWays, type ImportMethod } from '../store/imports.ts'
import { storesOf } from '../wire/image.ts'
import { imageTaskToWire } from '../wire/task.ts'
import { judgeSource, SourceFailed } from '../work/download.ts'
import { callerOf, targetOf, type ApiContext } from './context.ts'
import { announcedSize, requireOctets, stallMs } from './image-data.ts'
import { visibleImage } from './images.ts'
import { ImageParams } from './schemas.ts'
import type { ImageRecord } from '../store/records.ts'

const Import = Type.Object(
  {
    method: Type.Object({ name: Type.String() }, { additionalProperties: true }),
    stores: Type.Optional(Type.Array(Type.String(), { maxItems: 64 })),
    all_stores: Type.Optional(Type.Boolean()),
    all_stores_must_succeed: Type.Optional(Type.Boolean()),
  },
  { title: 'ImageImport' },
)

const setFormats = 'Set them with PATCH first.'
/** What is staged was staged for the formats that the image had. */
const createAnew = 'They are fixed while data is staged: delete the image, create it with both, and stage its data again.'

/** Data that is staged first and imported by a job (reference image §1.10). */
export function importRoutes(app: App, context: ApiContext): void {
  const { site, data, stores, transfers } = context
  const config = { policy: 'in-handler' }

  app.put(
    '/v2/images/:image_id/stage',
    { config: { ...config, stream: true }, schema: { summary: 'Stage the data of an image', params: ImageParams } },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('modify_image', targetOf(image, caller))
      requireOctets(request.headers['content-type'])
      const pieces = bodyPieces(request.body, { world: site.world, stallMs, signal: context.closing })
      await transfers.stage({ caller, image, store: stores.staging, announced: announcedSize(request.headers), pieces })
      return reply.code(204).send()
    },
  )

  app.post(
    '/v2/images/:image_id/import',
    { config, schema: { summary: 'Import the data of an image', params: ImageParams, body: Import } },
    async (request, reply) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      const { body } = request
      const method = methodOf(context, body.method.name)
      request.authorize(method === 'copy-image' ? 'copy_image' : 'modify_image', targetOf(image, caller))
      if (image.disk_format === null || image.container_format === null)
        throw errors.formatsUnset({ remedy: formatsMayChange(image.status) ? setFormats : createAnew })
      if (method !== 'copy-image' && image.status === 'active') throw errors.conflict({ why: `Image ${image.id} is active already.` })
      const uri = method === 'web-download' ? await sourceOf(context, (body.method as { uri?: unknown }).uri) : undefined
      const wanted = wantedStores(context, body, request.headers['x-image-meta-store'])
      const targets = missingStores(image, method, wanted, body.all_stores === true)
      if (targets.length > 0)
        await data.import_begin(caller, {
          image_id: image.id,
          method,
          stores: targets,
          all_must_succeed: body.all_stores_must_succeed ?? true,
          ...(uri === undefined ? {} : { uri }),
        })
      return reply.code(202).send('')
    },
  )

  app.get(
    '/v2/images/:image_id/tasks',
    { config, schema: { summary: 'List the tasks of an image', params: ImageParams } },
    async (request) => {
      const caller = callerOf(request)
      const image = await visibleImage(context, request, request.params.image_id)
      request.authorize('get_image', targetOf(image, caller))
      // Of the image, whoever began them: who sees it sees what is done to it.
      const stubs = await data.task_get_all({ ...caller, isAdmin: true }, { filters: { image_id: image.id }, limit: 100 })
      const tasks = []
      for (const { id } of stubs) tasks.push(imageTaskToWire(await data.task_get({ ...caller, isAdmin: true }, { task_id: id })))
      return { tasks }
    },
  )
}

function methodOf({ site }: ApiContext, name: string): ImportMethod {
  const { importMethods } = site.config.image
  const method = importMethods.find((one) => one === name)
  if (method === undefined)
    throw errors.badRequest({ why: `Unknown import method name '${name.slice(0, 64)}': it is one of ${importMethods.join(', ')}.` })
  return method
}

/** Before anything is promised; the job judges it again, and each place that it is sent on to. */
export async function sourceOf({ site }: ApiContext, uri: unknown, field = 'method.uri'): Promise<string> {
  if (typeof uri !== 'string' || uri === '') throw errors.badField({ field, why: 'a URL is needed' }, { field })
  try {
    // A name without an address may have one when the job comes to it.
    await judgeSource(site.world, site.config.image, uri)
    return uri
  } catch (error) {
    if (error instanceof SourceFailed) throw errors.sourceRefused({ why: error.message }, { field })
    throw error
  }
}

function wantedStores({ stores }: ApiContext, body: Static<typeof Import>, header: unknown): readonly string[] {
  if (body.all_stores === true && (body.stores !== undefined || header !== undefined))
    throw errors.badRequest({ why: 'all_stores can not be given together with stores or the header x-image-meta-store.' })
  if (body.all_stores_must_succeed === false && !stores.several)
    throw errors.badRequest({ why: 'There is one store only: all_stores_must_succeed can not be false.' })
  const one = typeof header === 'string' ? header : stores.default.id
  const named = body.all_stores === true ? stores.ids : body.stores === undefined || body.stores.length === 0 ? [one] : body.stores
  const unknown = named.find((id) => stores.find(id) === undefined)
  if (unknown !== undefined) throw errors.conflict({ why: `There is no store '${unknown.slice(0, 64)}'.` })
  return [...new Set(named)]
}

/** For a copy: the stores that lack the bytes. To name one that has them is a mistake, unless it is one of all. */
function missingStores(image: ImageRecord, method: ImportMethod, wanted: readonly string[], all: boolean): readonly string[] {
  const { from } = importWays[method]
  if (image.status !== from)
    throw errors.conflict({ why: `Image needs to be in '${from}' state to use '${method}' method; it is '${image.status}'.` })
  if (method !== 'copy-image') return wanted
  const has = storesOf(image.locations)
  const there = wanted.find((id) => has.includes(id))
  if (there !== undefined && !all) throw errors.badRequest({ why: `Image is already present at store '${there}'.` })
  return wanted.filter((id) => !has.includes(id))
}
