import { networkOf, oamOf } from '../fleet/places.ts'
import { base64, secretText } from '../fleet/secrets.ts'
import type { Call } from './client.ts'

/* Requests as operators send them; each knows what it promises when it is accepted. */

export const siteName = (site: number): string => `edge-${site}`

export const bootstrapValues = (site: number, name: string, network: number, controllerGateway = '10.10.0.254'): string => {
  const { subnet, start, end, gateway } = networkOf(site, network)
  const oam = oamOf(site)
  // JSON is YAML.
  return JSON.stringify({
    name,
    system_mode: 'simplex',
    description: `site ${site}`,
    management_subnet: subnet,
    management_start_address: start,
    management_end_address: end,
    management_gateway_address: gateway,
    external_oam_subnet: oam.subnet,
    external_oam_gateway_address: oam.gateway,
    external_oam_floating_address: oam.floating,
    systemcontroller_gateway_address: controllerGateway,
    admin_password: secretText(`admin-${site}`),
  })
}

export const installValues = (site: number): string => {
  const { floating, bmc, gateway } = oamOf(site)
  return JSON.stringify({
    bootstrap_interface: 'eno1',
    bootstrap_address: floating,
    bootstrap_address_prefix: 28,
    install_type: 3,
    bmc_address: bmc,
    bmc_username: 'root',
    nexthop_gateway: gateway,
    no_check_certificate: true,
    persistent_size: 30_000,
  })
}

const deployConfig = (name: string): string => `---\nkind: System\nmetadata:\n  name: ${name}\n`
const sysadmin = (site: number): string => base64(secretText(`sysadmin-${site}`))
const bmc = (site: number): string => base64(secretText(`bmc-${site}`))

export interface Extent {
  readonly install: boolean
  readonly config: boolean
}

const filesOf = (site: number, name: string, { install, config }: Extent) => ({
  ...(install ? { install_values: installValues(site), bmc_password: bmc(site) } : {}),
  ...(config ? { deploy_config: deployConfig(name) } : {}),
})

export const add = (site: number, name: string, phased: boolean, extent: Extent, controllerGateway?: string): Call => ({
  method: 'POST',
  path: phased ? '/phased-subcloud-deploy' : '/subclouds',
  body: {
    bootstrap_values: bootstrapValues(site, name, 0, controllerGateway),
    'bootstrap-address': oamOf(site).floating,
    sysadmin_password: sysadmin(site),
    ...filesOf(site, name, extent),
  },
  promised: { what: `${phased ? 'create' : 'add'} ${name}`, job: true, change: { fields: { name, 'deploy-status': 'not-deployed' } } },
})

export type Verb = 'install' | 'bootstrap' | 'configure' | 'complete' | 'abort' | 'resume'

/** The status that an accepted verb shows at once; an abort and a resume show what the moment makes of them. */
const shown: Partial<Record<Verb, string>> = {
  install: 'pre-install',
  bootstrap: 'pre-bootstrap',
  configure: 'pre-config',
  complete: 'complete',
}

export const phase = (id: number, site: number, name: string, verb: Verb, extent: Extent): Call => {
  const body =
    verb === 'install'
      ? filesOf(site, name, { install: extent.install, config: false })
      : verb === 'bootstrap'
        ? { sysadmin_password: sysadmin(site) }
        : verb === 'configure'
          ? { ...filesOf(site, name, { install: false, config: extent.config }), sysadmin_password: sysadmin(site) }
          : verb === 'resume'
            ? { sysadmin_password: sysadmin(site) }
            : undefined
  const status = shown[verb]
  return {
    method: 'PATCH',
    path: `/phased-subcloud-deploy/${id}/${verb}`,
    ...(body === undefined ? {} : { body }),
    promised: {
      what: verb,
      ...(verb === 'complete' || verb === 'abort' ? {} : { job: true }),
      ...(status === undefined ? {} : { change: { id, fields: { 'deploy-status': status } } }),
    },
  }
}

export const redeploy = (id: number, site: number): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}/redeploy`,
  body: { sysadmin_password: sysadmin(site), install_values: installValues(site), bmc_password: bmc(site) },
  promised: { what: 'redeploy', job: true, change: { id, fields: { 'deploy-status': 'pre-install' } } },
})

export const manage = (id: number, state: 'managed' | 'unmanaged', force: boolean): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { 'management-state': state, ...(force && state === 'managed' ? { force: 'true' } : {}) },
  promised: {
    what: `${state}${force ? ' by force' : ''}`,
    ...(force ? { force: id } : {}),
    change: { id, fields: { 'management-state': state } },
  },
})

export const describe = (id: number, text: string): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { description: text, location: `at ${text}` },
  promised: { what: `description ${text}`, change: { id, fields: { description: text, location: `at ${text}` } } },
})

export const rename = (id: number, name: string): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { name },
  promised: { what: `rename to ${name}`, change: { id, fields: { name } } },
})

export const remove = (id: number): Call => ({ method: 'DELETE', path: `/subclouds/${id}`, promised: { what: 'delete', job: true } })

export const moveNetwork = (id: number, site: number, network: number): Call => {
  const { subnet, start, end, gateway } = networkOf(site, network)
  return {
    method: 'PATCH',
    path: `/subclouds/${id}`,
    body: {
      management_subnet: subnet,
      management_start_ip: start,
      management_end_ip: end,
      management_gateway_ip: gateway,
      bootstrap_address: oamOf(site).floating,
      sysadmin_password: sysadmin(site),
    },
    promised: { what: `network ${network}`, job: true, change: { id, fields: { 'deploy-status': 'reconfiguring-network' } } },
  }
}

export const certificateStatus = (id: number, status: string): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}/update_status`,
  body: { endpoint: 'dc-cert', status },
  promised: { what: `dc-cert ${status}` },
})

export const addGroup = (name: string): Call => ({
  method: 'POST',
  path: '/subcloud-groups',
  body: { name, description: 'made by a simulated operator', update_apply_type: 'parallel', max_parallel_subclouds: 3 },
  promised: { what: `group ${name}`, group: { name, there: true } },
})

export const removeGroup = (name: string): Call => ({
  method: 'DELETE',
  path: `/subcloud-groups/${name}`,
  promised: { what: `delete group ${name}`, group: { name, there: false } },
})

export const moveToGroup = (id: number, groupId: number): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { group_id: String(groupId) },
  promised: { what: `group ${groupId}`, change: { id, fields: { group_id: groupId } } },
})

export const notify = (): Call => ({
  method: 'POST',
  path: '/notifications',
  body: { events: ['platform-upgrade-completed', 'k8s-upgrade-completed'] },
  promised: { what: 'notification' },
})

export const list = (): Call => ({ method: 'GET', path: '/subclouds' })
export const show = (id: number): Call => ({ method: 'GET', path: `/subclouds/${id}` })
export const operations = (id: number): Call => ({ method: 'GET', path: `/subclouds/${id}/operations` })

const backupPassword = base64(secretText('sysadmin-backup'))

export const backup = (id: number, localOnly = false): Call => ({
  method: 'POST',
  path: '/subcloud-backup',
  body: { subcloud: String(id), sysadmin_password: backupPassword, ...(localOnly ? { local_only: 'true' } : {}) },
  promised: { what: 'backup', job: true, change: { id, fields: { 'backup-status': 'validating' } } },
})

export const backupGroup = (group: string): Call => ({
  method: 'POST',
  path: '/subcloud-backup',
  body: { group, sysadmin_password: backupPassword },
  promised: { what: `backup of group ${group}`, change: { fields: { 'backup-status': 'validating' } } },
})

export const deleteBackup = (id: number): Call => ({
  method: 'PATCH',
  path: '/subcloud-backup/delete/26.09',
  body: { subcloud: String(id) },
  promised: { what: 'delete backup', job: true, change: { id, fields: { 'backup-status': 'deleting-backup' } } },
})

export const restore = (id: number): Call => ({
  method: 'PATCH',
  path: '/subcloud-backup/restore',
  body: { subcloud: String(id), sysadmin_password: backupPassword },
  promised: { what: 'restore', job: true, change: { id, fields: { 'deploy-status': 'pre-restore' } } },
})

export const restoreGroup = (group: string): Call => ({
  method: 'PATCH',
  path: '/subcloud-backup/restore',
  body: { group, sysadmin_password: backupPassword },
  promised: { what: `restore of group ${group}`, change: { fields: { 'deploy-status': 'pre-restore' } } },
})
