import { createDcmanagerService } from '@murmuration/dcmanager'
import { createIdentityService } from '@murmuration/identity'
import { createImageService } from '@murmuration/image'
import { createPlatformService } from '@murmuration/platform'
import { loadSiteConfig, openSite, type Service } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { format } from 'oxfmt'

/** The OpenAPI documents of the services as they answer them, keys sorted, formatted as the repository is. By service name. */
export async function openapiDocuments(world: World, folder: string): Promise<ReadonlyMap<string, string>> {
  const file = `${folder}/site.yaml`
  await world.files.write(file, `name: docs\nrole: system-controller\nvarFolder: ${folder}/var\ndataUrl: 'sqlite::memory:'\n`)
  const site = await openSite(world, await loadSiteConfig(world, file, {}))
  const documents = new Map<string, string>()
  try {
    for (const create of [createIdentityService, createPlatformService, createImageService, createDcmanagerService]) {
      const service = await create(site)
      try {
        documents.set(service.name, await document(service))
      } finally {
        await service.stop()
      }
    }
  } finally {
    await site.close()
  }
  return documents
}

async function document(service: Service): Promise<string> {
  const app = service.apps.find(({ name }) => name === service.name)
  if (app === undefined) throw new Error(`${service.name} has no app of its name`)
  const answer = await app.endpoint.inject({ method: 'GET', url: 'http://docs.test/openapi.json', deadlineMs: 30_000 })
  const parsed = sorted(JSON.parse(new TextDecoder().decode(answer.body)))
  const { code, errors } = await format(`${service.name}.json`, JSON.stringify(parsed, null, 2), { printWidth: 140 })
  if (errors.length > 0) throw new Error(`the document of ${service.name} can not be formatted: ${errors[0]?.message}`)
  return code
}

/** Keys in alphabetical order, so that a route that moves in the code changes nothing here. Lists keep their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  )
}
