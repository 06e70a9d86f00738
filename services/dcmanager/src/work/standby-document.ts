import type { StandbyDocument } from '@murmuration/clients'
import { Secret } from '@murmuration/trust'
import { savedPayload } from '../rules/rehome-data.ts'
import type { Documents } from '../store/documents.ts'
import type { SubcloudRow } from '../store/subclouds.ts'

type Values = Readonly<Record<string, unknown>>

/** What is missing for a standby copy, for the operator. */
export class IncompleteRehomeData extends Error {
  constructor(what: string) {
    super(`its rehome data has no ${what}; update the subcloud with bootstrap_values and bootstrap_address`)
    this.name = 'IncompleteRehomeData'
  }
}

/**
 * The replicated document of one member, as the peer is to have it (reference dcmanager §7.6, §7.7): its bootstrap values with the
 * gateway that subclouds use at that site in place of ours, which is the one value that is local to a site.
 */
export function standbyDocumentOf(row: SubcloudRow, documents: Documents, peerGateway: string): StandbyDocument {
  const values = mapOf(documents.bootstrap_values)
  if (Object.keys(values).length === 0) throw new IncompleteRehomeData('bootstrap values')
  const payload = savedPayload(values, row.bootstrap_address)
  if (payload === undefined || row.bootstrap_address === null) throw new IncompleteRehomeData('bootstrap-address')
  if (payload['systemcontroller_gateway_address'] === undefined) throw new IncompleteRehomeData('systemcontroller_gateway_address')
  const { 'bootstrap-address': bootstrapAddress, ...bootstrap } = payload
  const { bmc_password: bmcPassword, ...install } = mapOf(documents.install_values)
  return {
    // JSON is YAML, and no value can be misread in it.
    bootstrapValues: JSON.stringify({ ...bootstrap, name: row.name, systemcontroller_gateway_address: peerGateway }),
    bootstrapAddress: String(bootstrapAddress),
    installValues: Object.keys(install).length === 0 ? undefined : JSON.stringify(install),
    bmcPassword: typeof bmcPassword === 'string' ? new Secret(bmcPassword) : undefined,
    regionName: row.region_name,
    description: row.description,
    location: row.location,
    release: row.software_version,
  }
}

const mapOf = (value: unknown): Values => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : {})
