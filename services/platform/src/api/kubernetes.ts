import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { kubeUpgradeStates, type KubeUpgradeState } from '../rules/kubernetes.ts'
import { endKubeUpgrade, findKubeUpgrade, listKubeVersions, moveKubeUpgrade, startKubeUpgrade } from '../store/kubernetes.ts'
import * as wire from '../wire/resources.ts'
import { JsonPatch, oneOf, readPatch } from './patch.ts'
import type { Routes } from './room.ts'

const get = { config: { policy: 'platform_api:kubernetes:get' } }
const modify = { config: { policy: 'platform_api:kubernetes:modify' } }
const states = Object.keys(kubeUpgradeStates) as KubeUpgradeState[]

export const kubernetes: Routes = (app, { world, database, now }) => {
  app.get('/v1/kube_versions', get, async () => ({ kube_versions: (await listKubeVersions(database)).map(wire.kubeVersion) }))
  app.get('/v1/kube_versions/:version', { ...get, schema: { params: Type.Object({ version: Type.String() }) } }, async ({ params }) => {
    const found = (await listKubeVersions(database)).find((row) => row.version === params.version)
    if (found === undefined) throw errors.notFound({ what: 'Kubernetes version', ref: params.version })
    return wire.kubeVersion(found)
  })

  app.get('/v1/kube_upgrade', get, async () => {
    const upgrade = await findKubeUpgrade(database)
    return { kube_upgrades: upgrade === undefined ? [] : [wire.kubeUpgrade(upgrade)] }
  })
  app.post(
    '/v1/kube_upgrade',
    {
      ...modify,
      schema: {
        body: Type.Object(
          { to_version: Type.String({ pattern: '^v\\d+(\\.\\d+){1,3}$', maxLength: 32 }) },
          { additionalProperties: false },
        ),
      },
    },
    async ({ body }) => wire.kubeUpgrade(await startKubeUpgrade(database, world.random.uuid(), body.to_version, now())),
  )
  app.patch('/v1/kube_upgrade', { ...modify, schema: { body: JsonPatch } }, async ({ body }) => {
    const { state } = readPatch(body, { state: oneOf(...states) })
    return wire.kubeUpgrade(await moveKubeUpgrade(database, state as KubeUpgradeState, now()))
  })
  app.delete('/v1/kube_upgrade', modify, async (_, reply) => {
    if (!(await endKubeUpgrade(database))) throw errors.noUpgrade()
    return reply.code(204).send()
  })
}
