import type { Database, Flag, Json, Queryable, Transaction } from '@murmuration/data'
import type { Sealed } from '@murmuration/trust'
import type { AssignmentRow, ImpliedRoleRow } from '../rules/effective-roles.ts'

export type { AssignmentRow, ImpliedRoleRow }

/** What callers added to a resource beyond the known members (Keystone keeps and returns it). */
export type Extra = Readonly<Record<string, unknown>>
export type Options = Readonly<Record<string, unknown>>

/** Projects and domains share a table, as a domain may act as a project in paths and assignments. */
export interface ProjectRow {
  id: string
  name: string
  /** Empty for domains: they belong to no domain. */
  domain_id: string
  /** Empty for domains; the domain's id for projects at the top. */
  parent_id: string
  is_domain: Flag
  enabled: Flag
  description: string
  tags: Json<string[]>
  options: Json<Options>
  extra: Json<Extra>
}

export interface UserRow {
  id: string
  name: string
  domain_id: string
  enabled: Flag
  default_project_id: string | null
  /** Parameters included; null for users without a password. */
  password_hash: string | null
  password_changed_at_ms: number | null
  failed_count: number
  failed_at_ms: number
  created_at_ms: number
  options: Json<Options>
  extra: Json<Extra>
}

export interface GroupRow {
  id: string
  name: string
  domain_id: string
  description: string
  extra: Json<Extra>
}

export interface UserGroupRow {
  user_id: string
  group_id: string
}

export interface RoleRow {
  id: string
  name: string
  /** Empty for the usual, global roles. Domain-specific ones only imply others and never stand in a token. */
  domain_id: string
  description: string | null
  options: Json<Options>
  extra: Json<Extra>
}

export interface RegionRow {
  id: string
  description: string
  parent_region_id: string | null
  extra: Json<Extra>
}

export interface ServiceRow {
  id: string
  type: string
  name: string
  enabled: Flag
  description: string | null
  extra: Json<Extra>
}

export interface EndpointRow {
  id: string
  service_id: string
  region_id: string | null
  interface: 'public' | 'internal' | 'admin'
  url: string
  enabled: Flag
  extra: Json<Extra>
}

export interface ApplicationCredentialRow {
  id: string
  name: string
  user_id: string
  project_id: string
  description: string | null
  secret_hash: string
  unrestricted: Flag
  expires_at_ms: number | null
  created_at_ms: number
}

export interface ApplicationCredentialRoleRow {
  credential_id: string
  role_id: string
}

export interface SigningKeyRow {
  id: string
  public_key: string
  /** Context: `identity:signing-key:<id>`. */
  private_key: Sealed
  /** Published before it signs, so that every validator knows it by then. */
  sign_from_ms: number
  /** Null for the newest; else when the last token signed with it has expired. */
  verify_until_ms: number | null
}

export interface RevocationRow {
  /** Numbers follow the order of commits: whoever inserts holds the lock `revocations`. */
  sequence: number
  at_ms: number
  expires_at_ms: number
  audit_id: string | null
  audit_chain_id: string | null
  user_id: string | null
  project_id: string | null
  domain_id: string | null
  role_id: string | null
  application_credential_id: string | null
}

export interface SettingRow {
  name: string
  value: string
}

export interface IdentityTables {
  projects: ProjectRow
  users: UserRow
  groups: GroupRow
  user_groups: UserGroupRow
  roles: RoleRow
  implied_roles: ImpliedRoleRow
  assignments: AssignmentRow
  regions: RegionRow
  services: ServiceRow
  endpoints: EndpointRow
  application_credentials: ApplicationCredentialRow
  application_credential_roles: ApplicationCredentialRoleRow
  signing_keys: SigningKeyRow
  revocations: RevocationRow
  settings: SettingRow
}

export type Db = Queryable<IdentityTables>
export type Tx = Transaction<IdentityTables>
export type IdentityDatabase = Database<IdentityTables>
