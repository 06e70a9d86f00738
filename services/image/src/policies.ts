import type { PolicyRule } from '@murmuration/http'

type Operation = readonly [method: string, path: string]
const rule = (name: string, check: string, description: string, ...operations: readonly Operation[]): PolicyRule => ({
  name,
  check,
  description,
  operations: operations.map(([method, path]) => ({ method, path })),
})

const image = '/v2/images/{image_id}'
const member = `${image}/members/{member_id}`
/** The target of every rule on an image: its project, its visibility, and the caller's project where that is a member. */
const readable =
  'project_id:%(project_id)s or project_id:%(member_id)s or "community":%(visibility)s or "public":%(visibility)s or "shared":%(visibility)s'
const ownerMember = 'role:admin or (role:member and project_id:%(project_id)s)'
const ownerReader = 'role:admin or (role:reader and project_id:%(project_id)s)'
const admin = 'role:admin'
const service = 'role:service'

const namespaces = '/v2/metadefs/namespaces'
const namespace = `${namespaces}/{namespace}`
const namespaceReader = 'role:admin or (role:reader and (project_id:%(project_id)s or "public":%(visibility)s))'

/** Reads for who sees the namespace, writes for administrators (reference image §1.14). */
const metadefs: readonly PolicyRule[] = [
  rule('get_metadef_namespaces', 'role:admin or role:reader', 'List namespaces of metadata definitions', ['GET', namespaces]),
  rule('get_metadef_namespace', namespaceReader, 'Show one', ['GET', namespace]),
  rule('add_metadef_namespace', 'role:admin', 'Create one', ['POST', namespaces]),
  rule('modify_metadef_namespace', 'role:admin', 'Change one', ['PUT', namespace]),
  rule('delete_metadef_namespace', 'role:admin', 'Delete one', ['DELETE', namespace]),
  rule('get_metadef_objects', namespaceReader, 'List the objects of a namespace', ['GET', `${namespace}/objects`]),
  rule('get_metadef_object', namespaceReader, 'Show one', ['GET', `${namespace}/objects/{name}`]),
  rule('add_metadef_object', 'role:admin', 'Create one', ['POST', `${namespace}/objects`]),
  rule('modify_metadef_object', 'role:admin', 'Change one', ['PUT', `${namespace}/objects/{name}`]),
  rule(
    'delete_metadef_object',
    'role:admin',
    'Delete one, or all',
    ['DELETE', `${namespace}/objects`],
    ['DELETE', `${namespace}/objects/{name}`],
  ),
  rule('get_metadef_properties', namespaceReader, 'List the properties of a namespace', ['GET', `${namespace}/properties`]),
  rule('get_metadef_property', namespaceReader, 'Show one', ['GET', `${namespace}/properties/{name}`]),
  rule('add_metadef_property', 'role:admin', 'Create one', ['POST', `${namespace}/properties`]),
  rule('modify_metadef_property', 'role:admin', 'Change one', ['PUT', `${namespace}/properties/{name}`]),
  rule(
    'remove_metadef_property',
    'role:admin',
    'Delete one, or all',
    ['DELETE', `${namespace}/properties`],
    ['DELETE', `${namespace}/properties/{name}`],
  ),
  rule('get_metadef_tags', namespaceReader, 'List the tags of a namespace', ['GET', `${namespace}/tags`]),
  rule('get_metadef_tag', namespaceReader, 'Show one', ['GET', `${namespace}/tags/{name}`]),
  rule('add_metadef_tags', 'role:admin', 'Set or add several', ['POST', `${namespace}/tags`]),
  rule('add_metadef_tag', 'role:admin', 'Create one', ['POST', `${namespace}/tags/{name}`]),
  rule('modify_metadef_tag', 'role:admin', 'Rename one', ['PUT', `${namespace}/tags/{name}`]),
  rule('delete_metadef_tags', 'role:admin', 'Delete all', ['DELETE', `${namespace}/tags`]),
  rule('delete_metadef_tag', 'role:admin', 'Delete one', ['DELETE', `${namespace}/tags/{name}`]),
  rule('list_metadef_resource_types', 'role:admin or role:reader', 'List resource types', ['GET', '/v2/metadefs/resource_types']),
  rule('get_metadef_resource_type', namespaceReader, 'List those of a namespace', ['GET', `${namespace}/resource_types`]),
  rule('add_metadef_resource_type_association', 'role:admin', 'Associate one with a namespace', ['POST', `${namespace}/resource_types`]),
  rule('remove_metadef_resource_type_association', 'role:admin', 'End an association', ['DELETE', `${namespace}/resource_types/{name}`]),
]

/** Reference image §1.15. Whether an image can be seen at all is no matter of policy: who may not read it is told that it does not exist. */
export const policies: readonly PolicyRule[] = [
  rule('add_image', ownerMember, 'Create an image in a project', ['POST', '/v2/images']),
  rule('get_images', 'role:admin or role:reader', 'List images', ['GET', '/v2/images']),
  rule('get_image', `role:admin or (role:reader and (${readable}))`, 'Show an image', ['GET', image], ['GET', `${image}/tasks`]),
  rule(
    'modify_image',
    ownerMember,
    'Change an image, its tags, and stage or import its data',
    ['PATCH', image],
    ['PUT', `${image}/tags/{tag}`],
    ['DELETE', `${image}/tags/{tag}`],
    ['PUT', `${image}/stage`],
    ['POST', `${image}/import`],
  ),
  rule('delete_image', ownerMember, 'Delete an image', ['DELETE', image]),
  rule('publicize_image', admin, 'Make an image public', ['POST', '/v2/images'], ['PATCH', image]),
  rule('communitize_image', ownerMember, 'Make an image a community image', ['POST', '/v2/images'], ['PATCH', image]),
  rule('upload_image', ownerMember, 'Upload the data of an image', ['PUT', `${image}/file`]),
  rule('download_image', `role:admin or (role:member and (${readable}))`, 'Download the data of an image', ['GET', `${image}/file`]),
  rule('download_from_store', `role:admin or (role:member and (${readable}))`, 'Download from preferred stores', ['GET', `${image}/file`]),
  rule('deactivate', ownerMember, 'Deactivate an image', ['POST', `${image}/actions/deactivate`]),
  rule('reactivate', ownerMember, 'Reactivate an image', ['POST', `${image}/actions/reactivate`]),
  rule('add_member', ownerMember, 'Share an image with a project', ['POST', `${image}/members`]),
  rule(
    'get_members',
    `role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))`,
    'List whom an image is shared with',
    ['GET', `${image}/members`],
  ),
  rule('get_member', `role:admin or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))`, 'Show one of those', [
    'GET',
    member,
  ]),
  rule('modify_member', 'role:admin or (role:member and project_id:%(member_id)s)', 'Accept or reject a shared image', ['PUT', member]),
  rule('delete_member', ownerMember, 'End the sharing with a project', ['DELETE', member]),
  rule('copy_image', admin, 'Copy an image into further stores', ['POST', `${image}/import`]),
  rule('get_image_location', ownerReader, 'See where the data of an image lies', ['GET', image]),
  rule('set_image_location', ownerMember, 'Set where the data of an image lies', ['PATCH', image]),
  rule('delete_image_location', admin, 'Delete an image from one store', ['DELETE', '/v2/stores/{store_id}/{image_id}']),
  rule(
    'add_image_location',
    `${service} or ${ownerMember}`,
    'Set where the data of an image is, as a service or for an image of the own project',
    ['POST', `${image}/locations`],
  ),
  rule('fetch_image_location', `${service} or ${admin}`, 'See where the data of an image lies, as a service', [
    'GET',
    `${image}/locations`,
  ]),
  rule('stores_info_detail', `${admin} or ${service}`, 'See the stores in detail', ['GET', '/v2/info/stores/detail']),
  rule(
    'tasks_api_access',
    admin,
    'Use the tasks of the image service',
    ['GET', '/v2/tasks'],
    ['POST', '/v2/tasks'],
    ['GET', '/v2/tasks/{task_id}'],
  ),
  ...metadefs,
]
