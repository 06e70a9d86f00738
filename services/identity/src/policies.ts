import type { PolicyRule } from '@murmuration/http'

type Operation = readonly [method: string, path: string]
const rule = (name: string, check: string, description: string, ...operations: Operation[]): PolicyRule => ({
  name,
  check,
  description,
  operations: operations.map(([method, path]) => ({ method, path })),
})

/**
 * Who runs this cloud. An admin role anywhere else is no key to it: whoever manages one project must not be able to manage
 * the users of all.
 */
const cloudAdmin = 'role:admin and (system_scope:all or (project_domain_id:default and (project_name:admin or project_name:services)))'
const admin = 'rule:cloud_admin'
const read = 'rule:cloud_admin or rule:system_reader'
const readInDomain = `${read} or rule:domain_reader`
const own = 'rule:owner'

const crud = (
  what: string,
  plural: string,
  path: string,
  id: string,
  reading: { list: string; get: string } = { list: read, get: read },
): PolicyRule[] => [
  rule(`identity:list_${plural}`, reading.list, `List ${plural}.`, ['GET', path]),
  rule(`identity:get_${what}`, reading.get, `Show a ${what}.`, ['GET', `${path}/{${id}}`]),
  rule(`identity:create_${what}`, admin, `Create a ${what}.`, ['POST', path]),
  rule(`identity:update_${what}`, admin, `Change a ${what}.`, ['PATCH', `${path}/{${id}}`]),
  rule(`identity:delete_${what}`, admin, `Delete a ${what}.`, ['DELETE', `${path}/{${id}}`]),
]

const inDomain = { list: readInDomain, get: readInDomain }
const everybody = { list: '@', get: '@' }
const grantPath = '/v3/{target}/{target_id}/{users|groups}/{actor_id}/roles'

/** Every rule of this service. Deny by default: a route without one of these names does not start. */
export const policies: readonly PolicyRule[] = [
  rule('cloud_admin', cloudAdmin, 'Role admin on the system, or on the projects admin or services of the default domain.'),
  rule('system_reader', 'role:reader and system_scope:all', 'Sees everything, changes nothing.'),
  rule('domain_reader', 'role:reader and domain_id:%(target.domain_id)s', 'Sees what is in the own domain.'),
  rule('owner', 'user_id:%(target.user.id)s', 'The user that it is about.'),

  ...crud('region', 'regions', '/v3/regions', 'region_id', everybody),
  ...crud('service', 'services', '/v3/services', 'service_id'),
  ...crud('endpoint', 'endpoints', '/v3/endpoints', 'endpoint_id'),
  ...crud('domain', 'domains', '/v3/domains', 'domain_id', {
    list: read,
    get: `${readInDomain} or project_domain_id:%(target.domain_id)s`,
  }),
  ...crud('project', 'projects', '/v3/projects', 'project_id', {
    list: readInDomain,
    get: `${readInDomain} or project_id:%(target.project.id)s`,
  }),
  ...crud('user', 'users', '/v3/users', 'user_id', { list: readInDomain, get: `${readInDomain} or rule:owner` }),
  ...crud('group', 'groups', '/v3/groups', 'group_id', inDomain),
  ...crud('role', 'roles', '/v3/roles', 'role_id', {
    list: `${read} or role:reader and domain_id:%(domain_id)s`,
    get: `${read} or role:reader`,
  }),

  rule('identity:list_user_projects', `${readInDomain} or ${own}`, 'Projects in which a user has a role.', [
    'GET',
    '/v3/users/{user_id}/projects',
  ]),
  rule('identity:list_groups_for_user', `${readInDomain} or ${own}`, 'Groups of a user.', ['GET', '/v3/users/{user_id}/groups']),
  rule('identity:change_password', own, 'Change the own password.', ['POST', '/v3/users/{user_id}/password']),
  rule('identity:list_users_in_group', readInDomain, 'Members of a group.', ['GET', '/v3/groups/{group_id}/users']),
  rule('identity:check_user_in_group', `${readInDomain} or ${own}`, 'Is a user in a group?', [
    'HEAD',
    '/v3/groups/{group_id}/users/{user_id}',
  ]),
  rule('identity:add_user_to_group', admin, 'Add a member.', ['PUT', '/v3/groups/{group_id}/users/{user_id}']),
  rule('identity:remove_user_from_group', admin, 'Remove a member.', ['DELETE', '/v3/groups/{group_id}/users/{user_id}']),

  rule('identity:list_grants', read, 'Roles of a user or group on a target.', ['GET', grantPath]),
  rule('identity:check_grant', read, 'Is a role assigned?', ['HEAD', `${grantPath}/{role_id}`], ['GET', `${grantPath}/{role_id}`]),
  rule('identity:create_grant', admin, 'Assign a role.', ['PUT', `${grantPath}/{role_id}`]),
  rule('identity:revoke_grant', admin, 'Take a role away.', ['DELETE', `${grantPath}/{role_id}`]),
  rule('identity:list_role_assignments', `${read} or ${own}`, 'List role assignments; own ones with user.id.', [
    'GET',
    '/v3/role_assignments',
  ]),

  rule('identity:list_implied_roles', read, 'What a role implies.', ['GET', '/v3/roles/{role_id}/implies']),
  rule('identity:get_implied_role', read, 'Does a role imply another?', ['GET', '/v3/roles/{role_id}/implies/{implied_role_id}']),
  rule('identity:create_implied_role', admin, 'Let a role imply another.', ['PUT', '/v3/roles/{role_id}/implies/{implied_role_id}']),
  rule('identity:delete_implied_role', admin, 'End an implication.', ['DELETE', '/v3/roles/{role_id}/implies/{implied_role_id}']),
  rule('identity:list_role_inference_rules', read, 'All implications.', ['GET', '/v3/role_inferences']),

  rule('identity:list_application_credentials', `${read} or ${own}`, 'List application credentials.', [
    'GET',
    '/v3/users/{user_id}/application_credentials',
  ]),
  rule('identity:get_application_credential', `${read} or ${own}`, 'Show an application credential.', [
    'GET',
    '/v3/users/{user_id}/application_credentials/{id}',
  ]),
  rule('identity:create_application_credential', own, 'Create an application credential: only for oneself.', [
    'POST',
    '/v3/users/{user_id}/application_credentials',
  ]),
  rule('identity:delete_application_credential', `${admin} or ${own}`, 'Delete an application credential.', [
    'DELETE',
    '/v3/users/{user_id}/application_credentials/{id}',
  ]),

  rule(
    'identity:validate_token',
    `${read} or role:service or ${own}`,
    'Validate a token: services, or its own holder.',
    ['GET', '/v3/auth/tokens'],
    ['HEAD', '/v3/auth/tokens'],
  ),
  rule('identity:revoke_token', `${admin} or ${own}`, 'Revoke a token.', ['DELETE', '/v3/auth/tokens']),
  rule(
    'identity:get_trust',
    'rule:cloud_admin or role:service',
    'Verification keys and revocations, for services that check tokens themselves.',
    ['GET', '/v3/murmuration/trust'],
    ['GET', '/v3/OS-REVOKE/events'],
  ),
]
