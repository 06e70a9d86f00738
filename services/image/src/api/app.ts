import { createApp, imageFaults, type App, type Policy, type TokenValidator } from '@murmuration/http'
import type { ApiContext } from './context.ts'
import { imageDataRoutes } from './image-data.ts'
import { imagePartRoutes } from './image-parts.ts'
import { patchImageRoutes } from './image-patch.ts'
import { imageRoutes } from './images.ts'
import { memberRoutes } from './members.ts'
import { schemaRoutes } from './schema-routes.ts'
import { importRoutes } from './import.ts'
import { taskRoutes } from './tasks.ts'
import { locationRoutes } from './locations.ts'
import { infoRoutes } from './info.ts'
import { requestRules } from './request-rules.ts'
import { objectRoutes, propertyRoutes, tagRoutes } from './metadefs/entries.ts'
import { namespaceRoutes } from './metadefs/namespaces.ts'
import { resourceTypeRoutes } from './metadefs/resource-types.ts'
import { versionRoutes } from './versions.ts'

export interface ApiOptions {
  readonly tokens: TokenValidator
  readonly policy: Policy
  /** What /healthz asks, by name. */
  readonly ready: Readonly<Record<string, () => Promise<unknown>>>
}

/** The image API, version 2 (reference image §1). */
export async function createImageApp(context: ApiContext, options: ApiOptions): Promise<App> {
  const { site, stores } = context
  const app = await createApp({
    world: site.world,
    service: 'image',
    faults: imageFaults,
    tokens: options.tokens,
    policy: options.policy,
    identityUrl: site.config.identity.url,
    ready: options.ready,
  })
  versionRoutes(app, stores.several)
  requestRules(app)
  for (const routes of [
    imageRoutes,
    patchImageRoutes,
    imageDataRoutes,
    imagePartRoutes,
    memberRoutes,
    importRoutes,
    locationRoutes,
    taskRoutes,
    infoRoutes,
    schemaRoutes,
    namespaceRoutes,
    objectRoutes,
    propertyRoutes,
    tagRoutes,
    resourceTypeRoutes,
  ])
    routes(app, context)
  return app
}
