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
]
