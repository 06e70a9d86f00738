import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { softwareVersionOf } from '../store/releases.ts'
import { changeSystem, readSystem } from '../store/system.ts'
import * as wire from '../wire/resources.ts'
import { JsonPatch, optionalText, readPatch, text } from './patch.ts'
import type { Routes } from './room.ts'

const get = { config: { policy: 'platform_api:isystems:get' } }
const Id = Type.Object({ id: Type.String() })

export const systems: Routes = (app, { config, database, now }) => {
  const show = async () => wire.system(await readSystem(database), config, await softwareVersionOf(database))

  app.get('/v1/isystems', get, async () => ({ isystems: [await show()] }))

  /** Asked before there is any account: by a system controller that enrolls this site (reference dcmanager §4.5). */
  app.get('/v1/isystems/region_id', { config: { policy: 'public' } }, async () => ({
    region_id: config.region,
    region_name: config.region,
  }))

  app.get('/v1/isystems/:id', { ...get, schema: { params: Id } }, async ({ params }) => {
    const system = await show()
    if (system.uuid !== params.id) throw errors.notFound({ what: 'System', ref: params.id })
    return system
  })

  app.patch(
    '/v1/isystems/:id',
    { config: { policy: 'platform_api:isystems:modify' }, schema: { params: Id, body: JsonPatch } },
    async ({ params, body }) => {
      const changes = readPatch(body, {
        name: text(255),
        description: optionalText(255),
        location: optionalText(255),
        contact: optionalText(255),
      })
      if ((await changeSystem(database, params.id, changes, now())) === undefined) throw errors.notFound({ what: 'System', ref: params.id })
      return show()
    },
  )
}
