import { Type, type TObject, type TSchema } from 'typebox'
import type { RouteShorthandOptions } from 'fastify'

const text = (description: string): TSchema => Type.String({ description })
const nullable = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()])

/** `S` of reference dcmanager §1.5. */
export const Subcloud = Type.Object(
  {
    id: Type.Integer(),
    name: Type.String(),
    description: nullable(Type.String()),
    location: nullable(Type.String()),
    'software-version': Type.String(),
    'management-state': Type.String(),
    'availability-status': Type.String(),
    'deploy-status': Type.String(),
    'backup-status': nullable(Type.String()),
    'backup-datetime': nullable(Type.String()),
    'error-description': Type.String(),
    'region-name': Type.String(),
    'management-subnet': Type.String(),
    'management-start-ip': Type.String(),
    'management-end-ip': Type.String(),
    'management-gateway-ip': Type.String(),
    'openstack-installed': Type.Boolean(),
    'prestage-status': nullable(Type.String()),
    'prestage-versions': nullable(Type.String()),
    'systemcontroller-gateway-ip': Type.String(),
    data_install: nullable(Type.String({ description: 'Install values as JSON text; secrets stand there as ***.' })),
    data_upgrade: nullable(Type.String()),
    'created-at': Type.String(),
    'updated-at': nullable(Type.String()),
    group_id: Type.Integer(),
    peer_group_id: nullable(Type.Integer()),
    rehome_data: nullable(
      Type.String({
        description: 'Of one subcloud or of the members of a peer group, as JSON text: what a takeover needs. Secrets are ***.',
      }),
    ),
    'murmuration-owner-epoch': Type.Optional(Type.Integer({ description: 'New: the epoch under which this controller manages it.' })),
    info_message: Type.Optional(Type.String({ description: 'Advice after an update.' })),
    sync_status: Type.Optional(Type.String({ description: 'In lists: in-sync when all endpoints are.' })),
    endpoint_sync_status: Type.Optional(
      Type.Array(Type.Object({ endpoint_type: Type.String(), sync_status: Type.String() }), {
        description: 'In lists, and of one subcloud.',
      }),
    ),
    oam_floating_ip: Type.Optional(Type.String({ description: 'In the detail, as the next two.' })),
    deploy_config_sync_status: Type.Optional(Type.String()),
    region_name: Type.Optional(Type.String()),
  },
  { title: 'Subcloud' },
)

export const Group = Type.Object(
  {
    id: Type.Integer(),
    name: Type.String(),
    description: Type.String(),
    update_apply_type: Type.String(),
    max_parallel_subclouds: Type.Integer(),
    'created-at': Type.String(),
    'updated-at': nullable(Type.String()),
    subcloud_count: Type.Optional(Type.Integer()),
  },
  { title: 'SubcloudGroup' },
)

const peerGroupMembers = {
  id: Type.Integer(),
  peer_group_name: Type.String(),
  group_priority: Type.Integer({ description: '0 on the site that owns the group.' }),
  group_state: Type.String(),
  max_subcloud_rehoming: Type.Integer(),
  system_leader_id: Type.String({ description: 'System UUID of the controller that manages the subclouds.' }),
  system_leader_name: Type.String(),
  migration_status: nullable(Type.String({ description: 'migrating or complete.' })),
  'created-at': Type.String(),
  'updated-at': nullable(Type.String()),
}
/** `P`. */
export const PeerGroup = Type.Object(peerGroupMembers, { title: 'SubcloudPeerGroup' })
export const PeerGroupChanged = Type.Object(
  { ...peerGroupMembers, info_message: Type.Optional(Type.String({ description: 'Peers that could not be told.' })) },
  { title: 'SubcloudPeerGroupChanged' },
)
export const PeerGroupStatus = Type.Object(
  {
    peer_group_id: Type.Integer(),
    peer_group_name: Type.String(),
    total_subclouds: Type.Integer(),
    complete: Type.Integer(),
    waiting_for_migrate: Type.Integer(),
    rehoming: Type.Integer(),
    rehome_failed: Type.Integer(),
    managed: Type.Integer(),
    unmanaged: Type.Integer(),
    migration: Type.Optional(
      Type.Object(
        {
          status: nullable(Type.String()),
          waiting: Type.Integer(),
          rehoming: Type.Integer(),
          rehomed: Type.Integer({ description: 'Taken over, not managed yet.' }),
          done: Type.Integer(),
          failed: Type.Integer(),
          refused: Type.Integer({ description: 'Left to the controller that manages them.' }),
        },
        { description: 'New: members of the last migration by what has become of them.' },
      ),
    ),
  },
  { title: 'SubcloudPeerGroupStatus' },
)

/** `A`; lists leave sync-message out. */
export const Association = Type.Object(
  {
    id: Type.Integer(),
    'peer-group-id': Type.Integer(),
    'system-peer-id': Type.Integer(),
    'peer-group-priority': nullable(Type.Integer()),
    'association-type': Type.String({ description: 'primary or non-primary.' }),
    'sync-status': Type.String({ description: 'syncing, in-sync, failed, out-of-sync or unknown.' }),
    'sync-message': Type.Optional(nullable(Type.String())),
    'created-at': Type.String(),
    'updated-at': nullable(Type.String()),
    'murmuration-revision': Type.Integer({ description: 'New: revision of the group that the standby site has.' }),
  },
  { title: 'PeerGroupAssociation' },
)

const systemPeerMembers = {
  id: Type.Integer(),
  'peer-uuid': Type.String(),
  'peer-name': Type.String(),
  'manager-endpoint': Type.String(),
  'manager-username': Type.String(),
  'peer-controller-gateway-address': Type.String(),
  'administrative-state': Type.String(),
  'heartbeat-interval': Type.Integer(),
  'heartbeat-failure-threshold': Type.Integer(),
  'heartbeat-failure-policy': Type.String(),
  'heartbeat-maintenance-timeout': Type.Integer(),
  'availability-state': Type.String({ description: 'created, available or unavailable.' }),
  'created-at': Type.String(),
  'updated-at': nullable(Type.String()),
  'last-heard-at': nullable(Type.String({ description: 'New: when it answered last.' })),
  'failure-reason': nullable(Type.String({ description: 'New: why the last heartbeat failed.' })),
  'takeover-state': Type.String({ description: 'New: whether this site takes over by itself: off, armed, blocked or begun.' }),
  'takeover-reason': Type.String({ description: 'New: why, for people.' }),
}
/** `Y`. */
export const SystemPeer = Type.Object(systemPeerMembers, { title: 'SystemPeer' })
export const SystemPeerChanged = Type.Object(
  { ...systemPeerMembers, info_message: Type.Optional(Type.String()) },
  { title: 'SystemPeerChanged' },
)

const form = (members: Record<string, string>, title: string): TObject =>
  Type.Object(Object.fromEntries(Object.entries(members).map(([name, description]) => [name, Type.Optional(text(description))])), { title })

const boundMembers = { subcloud_ref: 'Id or name, when it is not in the path.', verb: 'Operation, when it is not in the path.' }
const valuesMembers = {
  bootstrap_values: 'File: YAML map, reference §4.8.',
  install_values: 'File: YAML map, reference §4.9.',
  deploy_config: 'File: YAML maps for the deploy playbook.',
  sysadmin_password: 'Base64 of the password of user sysadmin.',
  bmc_password: 'Base64 of the password of the BMC.',
  release: 'MM.mm; default is the release of the system controller.',
}
/** Both spellings: the first is the one of the original. */
const addressMembers = {
  'bootstrap-address': 'IP address under which the subcloud is deployed.',
  bootstrap_address: 'The same, other spelling.',
}
const laterMembers = {
  migrate: 'true is not available in this version.',
  enroll: 'true is not available in this version.',
  secondary: 'Whatever its value: the standby copy of a subcloud of a peer site. Needs region_name; no password.',
  on_site: 'Only with enroll.',
  cloud_init_config: 'Only with enroll.',
  region_name: 'Only with secondary.',
}

export const AddForm = form(
  {
    ...valuesMembers,
    ...addressMembers,
    ...laterMembers,
    name: 'Default: the name in the bootstrap values.',
    description: 'Free text.',
    location: 'Free text.',
    group_id: 'Id of a group; default 1.',
  },
  'SubcloudAdd',
)
export const PhaseForm = form(
  {
    ...valuesMembers,
    ...addressMembers,
    ...boundMembers,
    on_site: laterMembers.on_site,
    cloud_init_config: laterMembers.cloud_init_config,
  },
  'SubcloudPhase',
)
export const RedeployForm = form({ ...valuesMembers, ...addressMembers, ...boundMembers }, 'SubcloudRedeploy')
export const UpdateForm = form(
  {
    ...boundMembers,
    ...addressMembers,
    name: 'New name.',
    description: 'Free text.',
    location: 'Free text.',
    group_id: 'Id or name of a group.',
    'management-state': 'managed or unmanaged.',
    force: 'true: manage whatever the deploy and availability status.',
    install_values: valuesMembers.install_values,
    bootstrap_values: valuesMembers.bootstrap_values,
    bmc_password: valuesMembers.bmc_password,
    sysadmin_password: valuesMembers.sysadmin_password,
    release: 'MM.mm: software version to record.',
    management_subnet: 'Network reconfiguration.',
    management_gateway_ip: 'Network reconfiguration.',
    management_start_ip: 'Network reconfiguration.',
    management_end_ip: 'Network reconfiguration.',
    migrate: 'true: gives the subcloud up for another system controller (deploy status rehome-pending).',
    peer_group: 'Id or name of a subcloud peer group to join; none leaves.',
  },
  'SubcloudUpdate',
)
export const UpdateStatus = form(
  { ...boundMembers, endpoint: 'dc-cert', status: 'in-sync, out-of-sync or unknown' },
  'SubcloudUpdateStatus',
)
export const DeployFilesForm = form(
  {
    deploy_playbook: 'File: YAML playbook.',
    deploy_overrides: 'File.',
    deploy_chart: 'File.',
    prestage_images: 'File: list of images.',
    release: valuesMembers.release,
  },
  'DeployFiles',
)

export const namesOf = (schema: TObject): readonly string[] => Object.keys(schema.properties)

export const SubcloudParams = Type.Object({ subcloud_ref: Type.String({ description: 'Id or name.' }) })
export const SubcloudVerbParams = Type.Object({ subcloud_ref: Type.String({ description: 'Id or name.' }), verb: Type.String() })

/** Options of a route that takes a form: documented by its schema, read by the handler within its own budgets. */
export const formRoute = (policy: string, summary: string, body: TObject, answer: TSchema = Subcloud): RouteShorthandOptions => ({
  config: { policy, stream: true },
  schema: { summary, consumes: ['multipart/form-data', 'application/json'], body, response: { 200: answer } },
  // The body is a stream; readForm checks it, with the same schema's names.
  validatorCompiler: () => () => true,
})
