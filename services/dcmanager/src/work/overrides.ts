import type { SiteConfig } from '@murmuration/site'
import type { SubcloudRow } from '../store/subclouds.ts'
import { fromEnvironment, type AnsibleValue } from './playbooks/documents.ts'

export type Values = Readonly<Record<string, unknown>>

/** Where a subcloud is reached: the columns of its row, or the new ones of a network reconfiguration. */
export type ManagementNetwork = Pick<
  SubcloudRow,
  'management_subnet' | 'management_start_ip' | 'management_end_ip' | 'management_gateway_ip'
>

/**
 * Names that an operator's values may not set: connection settings of Ansible (they would turn a values file into commands on
 * this machine), and what our playbooks compute. The reference merges user maps flat into its own (dcmanager §13, pattern 21).
 */
const reservedPrefix = /^(ansible|site|subcloud|murmur|overrides?|install_wait)(_|$)/i
const reservedName =
  /^(hostvars|groups|group_names|inventory_.*|playbook_dir|play_hosts|role_.*|omit|vars|environment|secret|item|wanted|deploy_config|rvmc|rvmc_config_file)$/i
/** Of the BMC's variables, those that an operator gives; the others hold what the playbook learned. */
const reservedOfBmc = /^bmc(_(?!address$|username$|password$|ciphersuite$|access_only$).*)?$/i
const isReserved = (name: string): boolean => reservedPrefix.test(name) || reservedName.test(name) || reservedOfBmc.test(name)

/** An operator's map as variables for Ansible: without reserved names, and without what is no plain data. */
export function operatorVariables(values: Values): Record<string, AnsibleValue> {
  const kept = Object.entries(values).filter(([name]) => !isReserved(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, plain(value)]))
}

function plain(value: unknown): AnsibleValue {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]: [string, unknown]) => [key, plain(member)]))
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  return null
}

/** The first of a dual-stack pair: what the row records as well. */
export const primary = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value.split(',')[0]!.trim() : undefined

export const floatingAddressOf = (network: ManagementNetwork): string => network.management_start_ip
export const oamFloatingOf = (values: Values): string | undefined => primary(values['external_oam_floating_address'])

/** `site.yaml` of the subcloud (packages/site). Paths are relative to its folder. */
export function subcloudSite(
  config: SiteConfig,
  row: Pick<SubcloudRow, 'name' | 'region_name' | 'software_version'>,
  network: ManagementNetwork,
  values: Values,
): Record<string, AnsibleValue> {
  const { identity, identityTls, platform, platformTls, dcagent, dcagentTls } = config.ports
  const oam = {
    subnet: primary(values['external_oam_subnet']),
    gateway: primary(values['external_oam_gateway_address']),
    floating: oamFloatingOf(values),
  }
  const { subnet, gateway, floating } = oam
  return {
    name: row.name,
    role: 'subcloud',
    region: row.region_name,
    softwareVersion: row.software_version,
    varFolder: 'var',
    // Where the site keeps its data, when the operator has said so; else in files of its own.
    ...(typeof values['data_url'] === 'string' ? { dataUrl: values['data_url'] } : {}),
    address: network.management_start_ip,
    ports: { identity, identityTls, platform, platformTls, dcagent, dcagentTls },
    services: ['identity', 'platform'],
    systemMode: ['simplex', 'duplex', 'duplex-direct'].includes(String(values['system_mode'])) ? String(values['system_mode']) : 'simplex',
    identity: {
      // The controller's own account: the audits authenticate with it everywhere (reference dcmanager §12).
      serviceUser: config.identity.serviceUser,
      servicePasswordFile: 'secrets/service-password',
      adminPasswordFile: 'secrets/admin-password',
    },
    networks: {
      management: {
        subnet: network.management_subnet,
        start: network.management_start_ip,
        end: network.management_end_ip,
        gateway: network.management_gateway_ip,
        floating: floatingAddressOf(network),
      },
      ...(subnet !== undefined && gateway !== undefined && floating !== undefined ? { oam: { subnet, gateway, floating } } : {}),
    },
    tls: { caFile: 'tls/ca.pem', clientCaFile: 'tls/clients.pem', certFile: 'tls/site.pem', keyFile: 'tls/site.key' },
  }
}

/**
 * `<override_files_dir>/<host>.yml`: the operator's bootstrap values with the system controller's keys on top (reference
 * dcmanager §4.1, §4.3). Passwords and the private key are named only.
 */
export function bootstrapOverrides(
  config: SiteConfig,
  row: Pick<SubcloudRow, 'name' | 'region_name' | 'software_version'>,
  network: ManagementNetwork,
  values: Values,
  certificates: { readonly authority: string; readonly certificate: string },
): Record<string, AnsibleValue> {
  return {
    ...operatorVariables(values),
    name: row.name,
    region_name: row.region_name,
    software_version: row.software_version,
    install_release_version: row.software_version,
    distributed_cloud_role: 'subcloud',
    system_controller_subnet: config.networks.management.subnet,
    system_controller_floating_address: config.networks.management.floating,
    system_controller_oam_subnet: config.networks.oam.subnet,
    system_controller_oam_floating_address: config.networks.oam.floating,
    dc_root_ca_cert: certificates.authority,
    subcloud_certificate: certificates.certificate,
    subcloud_private_key: fromEnvironment('SUBCLOUD_PRIVATE_KEY'),
    admin_password: fromEnvironment('SUBCLOUD_ADMIN_PASSWORD'),
    dcmanager_password: fromEnvironment('SUBCLOUD_SERVICE_PASSWORD'),
    subcloud_site: subcloudSite(config, row, network, values),
  }
}
