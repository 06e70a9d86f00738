import { json } from '@murmuration/data'
import type {
  ApplicationCredentialRow,
  EndpointRow,
  GroupRow,
  ImpliedRoleRow,
  ProjectRow,
  RegionRow,
  RoleRow,
  ServiceRow,
  UserRow,
} from '../store/schema.ts'
import { extra, options } from './bags.ts'
import { isoTime } from './times.ts'

/** Where a resource is found; `base` ends in /v3. */
const at = (base: string, path: string) => ({ links: { self: `${base}/${path}` } })

export const wireUser = (row: UserRow, base: string) => ({
  ...extra(row),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  enabled: row.enabled === 1,
  ...(row.default_project_id === null ? {} : { default_project_id: row.default_project_id }),
  password_expires_at: null,
  options: options(row),
  ...at(base, `users/${encodeURIComponent(row.id)}`),
})

export const wireGroup = (row: GroupRow, base: string) => ({
  ...extra(row),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description,
  ...at(base, `groups/${encodeURIComponent(row.id)}`),
})

export const wireProject = (row: ProjectRow, base: string) => ({
  ...extra(row),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  parent_id: row.parent_id,
  is_domain: false,
  enabled: row.enabled === 1,
  description: row.description,
  tags: json.read(row.tags),
  options: options(row),
  ...at(base, `projects/${encodeURIComponent(row.id)}`),
})

export const wireDomain = (row: ProjectRow, base: string) => ({
  ...extra(row),
  id: row.id,
  name: row.name,
  enabled: row.enabled === 1,
  description: row.description,
  tags: json.read(row.tags),
  options: options(row),
  ...at(base, `domains/${encodeURIComponent(row.id)}`),
})

export const wireRole = (row: RoleRow, base: string) => ({
  ...extra(row),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id === '' ? null : row.domain_id,
  description: row.description,
  options: options(row),
  ...at(base, `roles/${encodeURIComponent(row.id)}`),
})

export const wireRegion = (row: RegionRow, base: string) => ({
  ...extra(row),
  id: row.id,
  description: row.description,
  parent_region_id: row.parent_region_id,
  ...at(base, `regions/${encodeURIComponent(row.id)}`),
})

export const wireService = (row: ServiceRow, base: string) => ({
  ...extra(row),
  id: row.id,
  type: row.type,
  name: row.name,
  enabled: row.enabled === 1,
  ...(row.description === null ? {} : { description: row.description }),
  ...at(base, `services/${row.id}`),
})

export const wireEndpoint = (row: EndpointRow, base: string) => ({
  ...extra(row),
  id: row.id,
  service_id: row.service_id,
  region: row.region_id,
  region_id: row.region_id,
  interface: row.interface,
  url: row.url,
  enabled: row.enabled === 1,
  ...at(base, `endpoints/${row.id}`),
})

/** `secret` is there once, in the answer to the creation, and never again. */
export const wireApplicationCredential = (row: ApplicationCredentialRow, roles: readonly RoleRow[], base: string, secret?: string) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  user_id: row.user_id,
  project_id: row.project_id,
  system: null,
  unrestricted: row.unrestricted === 1,
  expires_at: row.expires_at_ms === null ? null : isoTime(row.expires_at_ms).replace('Z', ''),
  roles: roles.map((role) => ({ id: role.id, name: role.name, domain_id: role.domain_id === '' ? null : role.domain_id })),
  ...(secret === undefined ? {} : { secret }),
  ...at(base, `users/${encodeURIComponent(row.user_id)}/application_credentials/${row.id}`),
})

/** A prior role with everything that it implies directly. */
export function wireInferences(rules: readonly ImpliedRoleRow[], roles: readonly RoleRow[], base: string) {
  const byId = new Map(roles.map((role) => [role.id, role]))
  const brief = (id: string) => ({ id, name: byId.get(id)?.name ?? '', ...at(base, `roles/${id}`) })
  const priors = [...new Set(rules.map((rule) => rule.prior_role_id))]
  return priors.map((prior) => ({
    prior_role: brief(prior),
    implies: rules.filter((rule) => rule.prior_role_id === prior).map((rule) => brief(rule.implied_role_id)),
  }))
}
