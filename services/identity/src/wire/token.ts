import type { TokenClaims } from '@murmuration/trust'
import type { CatalogEntry } from '../store/catalog.ts'
import type { ApplicationCredentialRow } from '../store/schema.ts'
import { isoTime } from './times.ts'

/** Keystone's catalog: services with their endpoints. Addresses are as they were registered; nothing in them is expanded. */
export function wireCatalog(entries: readonly CatalogEntry[]) {
  const services = new Map<string, { id: string; type: string; name: string; endpoints: object[] }>()
  for (const entry of entries) {
    const service = services.get(entry.serviceId) ?? { id: entry.serviceId, type: entry.type, name: entry.name, endpoints: [] }
    services.set(entry.serviceId, service)
    if (entry.endpointId !== null)
      service.endpoints.push({
        id: entry.endpointId,
        interface: entry.interface,
        region: entry.regionId,
        region_id: entry.regionId,
        url: entry.url,
      })
  }
  return [...services.values()]
}

/** The body of a token; `catalog` is left out where it was not asked for, and for unscoped tokens. */
export function wireToken(claims: TokenClaims, more: { catalog?: readonly CatalogEntry[]; credential?: ApplicationCredentialRow }) {
  const { scope } = claims
  return {
    token: {
      methods: claims.methods,
      user: { ...claims.user, password_expires_at: null },
      audit_ids: claims.auditIds,
      issued_at: isoTime(claims.iatMs),
      expires_at: isoTime(claims.expMs),
      ...(scope.kind === 'project' ? { project: { id: scope.id, name: scope.name, domain: scope.domain }, is_domain: false } : {}),
      ...(scope.kind === 'domain' ? { domain: { id: scope.id, name: scope.name } } : {}),
      ...(scope.kind === 'system' ? { system: { all: true } } : {}),
      ...(scope.kind === 'unscoped' ? {} : { roles: claims.roles }),
      ...(scope.kind === 'unscoped' || more.catalog === undefined ? {} : { catalog: wireCatalog(more.catalog) }),
      ...(claims.applicationCredential === undefined
        ? {}
        : {
            application_credential: {
              id: claims.applicationCredential.id,
              name: more.credential?.name ?? '',
              restricted: claims.applicationCredential.restricted,
            },
          }),
    },
  }
}
