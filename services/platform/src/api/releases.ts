import { flag, isUniqueViolation } from '@murmuration/data'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { releaseStates, type ReleaseState } from '../rules/releases.ts'
import { addRelease, findRelease, listReleases, moveRelease, removeRelease } from '../store/releases.ts'
import * as wire from '../wire/resources.ts'
import type { Routes } from './room.ts'

const get = { config: { policy: 'platform_api:releases:get' } }
const modify = { config: { policy: 'platform_api:releases:modify' } }
const Id = Type.Object({ id: Type.String() })
const states = Object.keys(releaseStates) as ReleaseState[]

/** The update service's releases (USM). Uploading and deploying real ones comes with orchestration; labs move them by hand. */
export const releases: Routes = (app, { database, now }) => {
  app.get(
    '/v1/release',
    {
      ...get,
      schema: { querystring: Type.Object({ show: Type.Optional(Type.Enum([...states, 'all'])) }, { additionalProperties: false }) },
    },
    async ({ query }) =>
      (await listReleases(database))
        .filter((release) => query.show === undefined || query.show === 'all' || release.state === query.show)
        .map(wire.release),
  )
  app.get('/v1/release/:id', { ...get, schema: { params: Id } }, async ({ params }) => {
    const found = await findRelease(database, params.id)
    if (found === undefined) throw errors.notFound({ what: 'Release', ref: params.id })
    return wire.release(found)
  })
  app.post(
    '/v1/release',
    {
      ...modify,
      schema: {
        body: Type.Object(
          {
            release_id: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}-\\d{2}\\.\\d{2}\\.\\d{1,4}$' }),
            reboot_required: Type.Optional(Type.Boolean()),
          },
          { additionalProperties: false },
        ),
      },
    },
    async ({ body }, reply) => {
      try {
        const added = await addRelease(database, {
          release_id: body.release_id,
          sw_version: body.release_id.slice(body.release_id.lastIndexOf('-') + 1),
          state: 'available',
          reboot_required: flag(body.reboot_required ?? false),
          created_at: now(),
          updated_at: null,
        })
        return await reply.code(201).send(wire.release(added))
      } catch (error) {
        if (isUniqueViolation(error)) throw errors.taken({ what: 'Release', ref: body.release_id }, { field: 'release_id' })
        throw error
      }
    },
  )
  app.patch(
    '/v1/release/:id',
    { ...modify, schema: { params: Id, body: Type.Object({ state: Type.Enum(states) }, { additionalProperties: false }) } },
    async ({ params, body }) => wire.release(await moveRelease(database, params.id, body.state, now())),
  )
  app.delete('/v1/release/:id', { ...modify, schema: { params: Id } }, async ({ params }, reply) => {
    await removeRelease(database, params.id)
    return reply.code(204).send()
  })
}
