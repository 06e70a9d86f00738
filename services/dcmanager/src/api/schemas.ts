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
    rehome_data: nullable(Type.String()),
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
  secondary: 'Not available in this version.',
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
    migrate: laterMembers.migrate,
    peer_group: 'Not available in this version.',
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
