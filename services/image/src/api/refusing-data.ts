import { apiErrorOf, errors } from '../errors.ts'
import { refused } from '../rules/refusals.ts'
import type { ImageData } from '../store/image-data.ts'

/** The data layer as the routes use it: its refusals are those of the API, and what may not be seen does not exist. */
export function refusingData(data: ImageData): ImageData {
  return Object.fromEntries(
    Object.entries(data).map(([name, run]) => [
      name,
      async (caller: never, kwargs: never): Promise<unknown> => {
        try {
          return await (run as (caller: never, kwargs: never) => Promise<unknown>)(caller, kwargs)
        } catch (error) {
          if (!refused(error)) throw error
          if (name === 'image_get' && refused(error, 'Forbidden', 'ImageNotFound'))
            throw errors.imageNotFound({ id: (kwargs as { image_id: string }).image_id })
          if (name === 'image_get_all' && refused(error, 'Forbidden', 'ImageNotFound'))
            throw errors.badRequest({ why: 'Invalid marker: it is not the id of an image that you can see.' }, { field: 'marker' })
          // A namespace of others is told like one that does not exist.
          if (refused(error, 'MetadefForbidden')) {
            const named = (kwargs as { namespace_name?: string; marker?: string | null }) ?? {}
            throw errors.notFound({
              what: `Metadata definition namespace=${(named.namespace_name ?? named.marker ?? '').slice(0, 80)} was not found.`,
            })
          }
          throw apiErrorOf(error)
        }
      },
    ]),
  ) as unknown as ImageData
}
