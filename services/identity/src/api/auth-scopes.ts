import { allImpliedRoles } from '../store/roles.ts'
import { readCatalog } from '../store/catalog.ts'
import { wireCatalog } from '../wire/token.ts'
import { wireDomain, wireProject } from '../wire/resources.ts'
import { reachableDomains, reachableProjects, hasSystemRole } from '../work/reachable.ts'
import { baseUrl, envelope, type Api } from './kit.ts'

/** What the holder of a token can have: catalog, projects, domains, system. */
export function scopeRoutes({ app, room }: Api): void {
  app.get('/v3/auth/catalog', { config: { policy: 'authenticated' } }, async (request) =>
    envelope('catalog', wireCatalog(await readCatalog(room.db)), request, room),
  )
  for (const path of ['/v3/auth/projects', '/v3/OS-FEDERATION/projects'])
    app.get(path, { config: { policy: 'authenticated' } }, async (request) => {
      const projects = await reachableProjects(room.db, request.identity.userId)
      return envelope(
        'projects',
        projects.map((row) => wireProject(row, baseUrl(request, room))),
        request,
        room,
      )
    })
  for (const path of ['/v3/auth/domains', '/v3/OS-FEDERATION/domains'])
    app.get(path, { config: { policy: 'authenticated' } }, async (request) => {
      const domains = await reachableDomains(room.db, request.identity.userId)
      return envelope(
        'domains',
        domains.map((row) => wireDomain(row, baseUrl(request, room))),
        request,
        room,
      )
    })
  app.get('/v3/auth/system', { config: { policy: 'authenticated' } }, async (request) => {
    const has = await hasSystemRole(room.db, request.identity.userId, await allImpliedRoles(room.db))
    return envelope('system', has ? [{ all: true }] : [], request, room)
  })
}
