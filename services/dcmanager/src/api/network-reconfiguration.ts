import type { Secret } from '@murmuration/trust'
import { errors, invalid } from '../errors.ts'
import { AddressRefused, networkKeys, readAddress, readSubnet, type NetworkKeys, type SubcloudNetwork } from '../rules/addresses.ts'
import { networkProblems, systemModes, type SystemMode } from '../rules/bootstrap-values.ts'
import { requireNotSecondary, requireResting } from '../rules/management.ts'
import type { Problem } from '../rules/problems.ts'
import { readDocuments } from '../store/documents.ts'
import type { SubcloudRow } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'
import type { Form } from './form.ts'
import { addressProblems, requirePassword } from './values.ts'

export interface Reconfiguration {
  readonly network: SubcloudNetwork
  readonly keys: NetworkKeys
  readonly bootstrapAddress: string
  readonly sysadminPassword: Secret
}

const members = ['management_subnet', 'management_gateway_ip', 'management_start_ip', 'management_end_ip'] as const

/**
 * The members of a network reconfiguration, when there is any of them (reference dcmanager §1.7). Order and status codes of the
 * refusals as there.
 */
export async function readReconfiguration(context: ApiContext, row: SubcloudRow, form: Form): Promise<Reconfiguration | undefined> {
  if (!members.some((member) => form.has(member))) return undefined
  requireNotSecondary(row)
  requireResting(row)
  const bootstrapAddress = form.text('bootstrap_address') ?? form.text('bootstrap-address')
  const missing = [...members.filter((member) => !form.has(member)), ...(bootstrapAddress === undefined ? ['bootstrap_address'] : [])]
  if (missing.length > 0 || bootstrapAddress === undefined)
    throw errors.reconfigureSet({ all: [...members, 'bootstrap_address'].join(', '), missing: missing.join(', ') }, { field: missing[0]! })
  if (form.has('management-state')) throw errors.reconfigureWithState({}, { field: 'management-state' })
  if (row.management_state === 'managed') throw errors.reconfigureManaged()
  const same = members.find((member) => form.text(member) === row[member])
  if (same !== undefined) throw errors.reconfigureSame({ field: same }, { field: same })
  const sysadminPassword = requirePassword(form, 'sysadmin_password')

  const network: SubcloudNetwork = {
    subnet: form.text('management_subnet')!,
    start: form.text('management_start_ip')!,
    end: form.text('management_end_ip')!,
    gateway: form.text('management_gateway_ip')!,
  }
  const problems = [...problemsOf(network, await systemModeOf(context, row)), ...addressProblems('bootstrap_address', bootstrapAddress)]
  if (problems.length > 0) throw invalid(problems)
  return { network, keys: networkKeys(network), bootstrapAddress, sysadminPassword }
}

/** The form's names of what the shared rule calls otherwise. */
const formNames: Readonly<Record<string, string>> = {
  management_subnet: 'management_subnet',
  management_start_address: 'management_start_ip',
  management_end_address: 'management_end_ip',
  management_gateway_address: 'management_gateway_ip',
}

function problemsOf(network: SubcloudNetwork, systemMode: SystemMode): Problem[] {
  const problems: Problem[] = []
  const read = <T>(field: string, reader: () => T): T | undefined => {
    try {
      return reader()
    } catch (error) {
      if (!(error instanceof AddressRefused)) throw error
      problems.push({ field, message: error.message })
      return undefined
    }
  }
  const subnet = read('management_subnet', () => readSubnet(network.subnet))
  const start = read('management_start_ip', () => readAddress(network.start))
  const end = read('management_end_ip', () => readAddress(network.end))
  const gateway = read('management_gateway_ip', () => readAddress(network.gateway))
  if (subnet === undefined || start === undefined || end === undefined || gateway === undefined) return problems
  return networkProblems('management', systemMode, subnet, start, end, gateway).map(({ member, message }) => ({
    field: formNames[member] ?? member,
    message: message.replaceAll(/management_(start|end)_address/g, 'management_$1_ip'),
  }))
}

async function systemModeOf(context: ApiContext, row: SubcloudRow): Promise<SystemMode> {
  const { desk } = context
  const { bootstrap_values: values } = await readDocuments(desk.database, desk.keyring, row.id, ['bootstrap_values'])
  const mode = (values as Record<string, unknown> | undefined)?.['system_mode']
  return systemModes.find((each) => each === mode) ?? 'simplex'
}
