import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { poolsOf } from '../rules/networks.ts'
import { listHosts } from '../store/hosts.ts'
import { readSystem } from '../store/system.ts'
import { networkView } from '../wire/networks.ts'
import type { Routes } from './room.ts'

const options = { config: { policy: 'platform_api:networks:get' } }
/** Path → name of the list, as the clients of the platform API know them. */
const resources = {
  networks: 'networks',
  addrpools: 'addrpools',
  addresses: 'addresses',
  iinterfaces: 'iinterfaces',
  interface_networks: 'interface_networks',
  iextoam: 'iextoams',
} as const

/** Read only: the networks of a site are changed in its configuration. */
export const networks: Routes = (app, { config, database }) => {
  const view = async () => {
    const system = await readSystem(database)
    return networkView(system, poolsOf(system.uuid, config), await listHosts(database))
  }
  for (const [path, list] of Object.entries(resources)) {
    app.get(`/v1/${path}`, options, async () => ({ [list]: (await view())[list] }))
    app.get(`/v1/${path}/:id`, { ...options, schema: { params: Type.Object({ id: Type.String() }) } }, async ({ params }) => {
      const found = (await view())[list].find((one) => one.uuid === params.id)
      if (found === undefined) throw errors.notFound({ what: 'Resource', ref: params.id })
      return found
    })
  }
}
