import type { App } from '@murmuration/http'
import { errors } from '../errors.ts'
import { callerOf, type ApiContext } from './context.ts'

const mebibyte = 1_048_576

/** What this service offers: import methods, stores, usage (reference image §1.10, §1.3). */
export function infoRoutes(app: App, context: ApiContext): void {
  const { stores, data } = context
  const config = { policy: 'authenticated' }

  app.get('/v2/info/import', { config, schema: { summary: 'Show the import methods' } }, () => ({
    'import-methods': { description: 'Import methods available.', type: 'array', value: context.site.config.image.importMethods },
  }))

  app.get('/v2/info/stores', { config, schema: { summary: 'List the stores' } }, () => {
    if (!stores.several) throw errors.notFound({ what: 'Multi backend is not supported at this site.' })
    return { stores: stores.all.map(({ id }) => ({ id, ...(id === stores.default.id ? { default: 'true' } : {}) })) }
  })

  app.get(
    '/v2/info/stores/detail',
    { config: { policy: 'stores_info_detail' }, schema: { summary: 'List the stores with their properties' } },
    () => {
      if (!stores.several) throw errors.notFound({ what: 'Multi backend is not supported at this site.' })
      return {
        stores: stores.all.map(({ id, type, properties }) => ({
          id,
          type,
          weight: 0,
          ...(id === stores.default.id ? { default: 'true' } : {}),
          properties,
        })),
      }
    },
  )

  app.get('/v2/info/usage', { config, schema: { summary: "Show the project's quotas and usage" } }, async (request) => {
    const caller = callerOf(request)
    const { limits, bytes, staged_bytes: staged, count, uploading } = await data.usage_get(caller, { owner_id: caller.owner ?? '' })
    const limitOf = (limit: number): number => (limit === 0 ? -1 : limit)
    return {
      usage: {
        image_size_total: {
          limit: limits.storageBytes === 0 ? -1 : Math.floor(limits.storageBytes / mebibyte),
          usage: Math.ceil(bytes / mebibyte),
        },
        image_stage_total: { limit: -1, usage: Math.ceil(staged / mebibyte) },
        image_count_total: { limit: limitOf(limits.count), usage: count },
        image_count_uploading: { limit: -1, usage: uploading },
      },
    }
  })
}
