import type { PolicyRule } from '@murmuration/http'

const project = '(project_name:admin or project_name:services)'
/** Reference dcmanager §1.4: who changes what, who runs it, who looks at it. `admin` implies `reader`; it is named for tokens of sites that do not say so. */
const adminOrConfigurator = `(role:admin or role:configurator) and ${project}`
const adminOrOperatorOrConfigurator = `(role:admin or role:operator or role:configurator) and ${project}`
const readerOrOperatorOrConfigurator = `(role:admin or role:reader or role:operator or role:configurator) and ${project}`

const at = (...operations: readonly string[]): PolicyRule['operations'] =>
  operations.map((operation) => {
    const [method, path] = operation.split(' ', 2)
    return { method: method!, path: path! }
  })

/** Every rule of this service: name, default, operations, description. An operator's policy.yaml stands above them. */
export const policies: readonly PolicyRule[] = [
  {
    name: 'dc_api:subclouds:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/subclouds'),
    description: 'Add a subcloud.',
  },
  {
    name: 'dc_api:subclouds:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/subclouds/{subcloud_ref}'),
    description: 'Delete a subcloud.',
  },
  {
    name: 'dc_api:subclouds:get',
    check: readerOrOperatorOrConfigurator,
    operations: at(
      'GET /v1.0/subclouds',
      'GET /v1.0/subclouds/{subcloud_ref}',
      'GET /v1.0/subclouds/{subcloud_ref}/detail',
      'GET /v1.0/subclouds/{subcloud_ref}/operations',
      'GET /v1.0/subclouds/{subcloud_ref}/operations/{operation_id}',
      'GET /v1.0/changes/subclouds',
    ),
    description: 'List and show subclouds, what ran on them, and the stream of their changes.',
  },
  {
    name: 'dc_api:subclouds:modify',
    check: adminOrConfigurator,
    operations: at(
      'PATCH /v1.0/subclouds/{subcloud_ref}',
      'PATCH /v1.0/subclouds/{subcloud_ref}/redeploy',
      'PATCH /v1.0/subclouds/{subcloud_ref}/prestage',
      'PATCH /v1.0/subclouds/{subcloud_ref}/update_status',
    ),
    description: 'Modify a subcloud.',
  },
  {
    name: 'dc_api:subclouds:manage_unmanage',
    check: adminOrOperatorOrConfigurator,
    operations: at('PATCH /v1.0/subclouds/{subcloud_ref}'),
    description: 'Manage or unmanage a subcloud. With any other member in the same request, dc_api:subclouds:modify is needed too.',
  },
  {
    name: 'dc_api:subcloud_deploy:upload',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/subcloud-deploy'),
    description: 'Upload deployment files.',
  },
  {
    name: 'dc_api:subcloud_deploy:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/subcloud-deploy', 'GET /v1.0/subcloud-deploy/{release}'),
    description: 'Show deployment files.',
  },
  {
    name: 'dc_api:subcloud_deploy:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/subcloud-deploy', 'DELETE /v1.0/subcloud-deploy/{release}'),
    description: 'Delete deployment files.',
  },
  {
    name: 'dc_api:alarm_manager:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/alarms'),
    description: 'Summary of the alarms of all subclouds.',
  },
  {
    name: 'dc_api:notifications:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/notifications'),
    description: 'Tell of the end of an upgrade, which makes all managed subclouds be audited. New: the original asked for a token only.',
  },
  {
    name: 'dc_api:phased_subcloud_deploy:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/phased-subcloud-deploy'),
    description: 'Create a subcloud to be deployed phase by phase.',
  },
  {
    name: 'dc_api:phased_subcloud_deploy:modify',
    check: adminOrConfigurator,
    operations: at(
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/install',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/bootstrap',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/configure',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/complete',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/abort',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/resume',
      'PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/enroll',
    ),
    description: 'Run, abort or resume a phase of a deployment.',
  },
  {
    name: 'dc_api:subcloud_groups:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/subcloud-groups'),
    description: 'Create a subcloud group.',
  },
  {
    name: 'dc_api:subcloud_groups:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/subcloud-groups/{group_ref}'),
    description: 'Delete a subcloud group.',
  },
  {
    name: 'dc_api:subcloud_groups:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/subcloud-groups', 'GET /v1.0/subcloud-groups/{group_ref}', 'GET /v1.0/subcloud-groups/{group_ref}/subclouds'),
    description: 'List and show subcloud groups.',
  },
  {
    name: 'dc_api:subcloud_groups:modify',
    check: adminOrConfigurator,
    operations: at('PATCH /v1.0/subcloud-groups/{group_ref}'),
    description: 'Modify a subcloud group.',
  },
  {
    name: 'dc_api:subcloud_peer_groups:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/subcloud-peer-groups'),
    description: 'Create a subcloud peer group.',
  },
  {
    name: 'dc_api:subcloud_peer_groups:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/subcloud-peer-groups/{group_ref}'),
    description: 'Delete a subcloud peer group.',
  },
  {
    name: 'dc_api:subcloud_peer_groups:get',
    check: adminOrConfigurator,
    operations: at(
      'GET /v1.0/subcloud-peer-groups',
      'GET /v1.0/subcloud-peer-groups/{group_ref}',
      'GET /v1.0/subcloud-peer-groups/{group_ref}/subclouds',
      'GET /v1.0/subcloud-peer-groups/{group_ref}/status',
    ),
    description: 'List and show subcloud peer groups, their subclouds and the progress of a migration.',
  },
  {
    name: 'dc_api:subcloud_peer_groups:modify',
    check: adminOrConfigurator,
    operations: at(
      'PATCH /v1.0/subcloud-peer-groups/{group_ref}',
      'PATCH /v1.0/subcloud-peer-groups/{group_ref}/migrate',
      'PATCH /v1.0/subcloud-peer-groups/{group_ref}/audit',
    ),
    description: 'Modify, migrate or audit a subcloud peer group.',
  },
  {
    name: 'dc_api:subcloud_peer_groups:write_standby_copies',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/subcloud-peer-groups/{group_ref}/standby-copies'),
    description:
      'As a system peer: write standby copies of members of a subcloud peer group. dc_api:subclouds:create and dc_api:subclouds:modify are needed too.',
  },
  {
    name: 'dc_api:peer_group_associations:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/peer-group-associations'),
    description: 'Associate a subcloud peer group with a system peer.',
  },
  {
    name: 'dc_api:peer_group_associations:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/peer-group-associations/{association_id}'),
    description: 'Delete a peer group association, and on the primary site what the peer has of the group.',
  },
  {
    name: 'dc_api:peer_group_associations:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/peer-group-associations', 'GET /v1.0/peer-group-associations/{association_id}'),
    description: 'List and show peer group associations.',
  },
  {
    name: 'dc_api:peer_group_associations:modify',
    check: adminOrConfigurator,
    operations: at('PATCH /v1.0/peer-group-associations/{association_id}', 'PATCH /v1.0/peer-group-associations/{association_id}/sync'),
    description: 'Modify or sync a peer group association.',
  },
  {
    name: 'dc_api:system_peers:create',
    check: adminOrConfigurator,
    operations: at('POST /v1.0/system-peers'),
    description: 'Add a system peer.',
  },
  {
    name: 'dc_api:system_peers:delete',
    check: adminOrConfigurator,
    operations: at('DELETE /v1.0/system-peers/{peer_ref}'),
    description: 'Delete a system peer.',
  },
  {
    name: 'dc_api:system_peers:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/system-peers', 'GET /v1.0/system-peers/{peer_ref}', 'GET /v1.0/system-peers/{peer_ref}/subcloud-peer-groups'),
    description: 'List and show system peers and the peer groups that they have a part in.',
  },
  {
    name: 'dc_api:system_peers:modify',
    check: adminOrConfigurator,
    operations: at('PATCH /v1.0/system-peers/{peer_ref}'),
    description: 'Modify a system peer.',
  },
  {
    name: 'dc_api:controller_authority:get',
    check: readerOrOperatorOrConfigurator,
    operations: at('GET /v1.0/controller-authority'),
    description: 'Read the certificate authority of this system controller. New.',
  },
  {
    name: 'dc_api:subcloud_backup:create',
    check: adminOrOperatorOrConfigurator,
    operations: at('POST /v1.0/subcloud-backup'),
    description: 'Back up a subcloud or the subclouds of a group.',
  },
  {
    name: 'dc_api:subcloud_backup:delete',
    check: adminOrOperatorOrConfigurator,
    operations: at('PATCH /v1.0/subcloud-backup/delete/{release}'),
    description: 'Delete backups of a release.',
  },
  {
    name: 'dc_api:subcloud_backup:restore',
    check: adminOrConfigurator,
    operations: at('PATCH /v1.0/subcloud-backup/restore'),
    description: 'Restore a subcloud or the subclouds of a group from a backup.',
  },
]
