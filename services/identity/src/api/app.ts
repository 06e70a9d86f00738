import { createApp, keystoneFaults, type App } from '@murmuration/http'
import { errors } from '../errors.ts'
import type { Room } from '../room.ts'
import { applicationCredentialRoutes } from './application-credentials.ts'
import { scopeRoutes } from './auth-scopes.ts'
import { tokenRoutes } from './auth-tokens.ts'
import { catalogRoutes } from './catalog.ts'
import { domainRoutes } from './domains.ts'
import { grantRoutes } from './grants.ts'
import { groupRoutes } from './groups.ts'
import { projectRoutes } from './projects.ts'
import { roleAssignmentRoutes } from './role-assignments.ts'
import { roleRoutes } from './roles.ts'
import { trustRoutes } from './trust.ts'
import { userRoutes } from './users.ts'
import { versionRoutes } from './versions.ts'
import { given } from '../rules/given.ts'

export async function createIdentityApp(room: Room): Promise<App> {
  const app = await createApp({
    world: room.world,
    service: 'identity',
    faults: keystoneFaults,
    tokens: room.tokens,
    policy: room.policy,
    identityUrl: room.config.identity.url,
    ready: () => room.db.ping(),
  })
  refuseNul(app)
  const api = { app, room }
  versionRoutes(api)
  tokenRoutes(api)
  scopeRoutes(api)
  trustRoutes(api)
  userRoutes(api)
  groupRoutes(api)
  projectRoutes(api)
  domainRoutes(api)
  roleRoutes(api)
  grantRoutes(api)
  roleAssignmentRoutes(api)
  catalogRoutes(api)
  applicationCredentialRoutes(api)
  return app
}

/** PostgreSQL can't store the NUL character: refused here, it is the caller's mistake and not a failure of ours. */
function refuseNul(app: App): void {
  app.addHook('preValidation', async (request) => {
    for (const part of [request.params, request.query, request.body])
      if (given(part) && JSON.stringify(part).includes('\\u0000'))
        throw errors.invalid({ field: 'request', reason: 'the character NUL is not allowed.' })
  })
}
