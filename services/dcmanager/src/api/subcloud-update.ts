import { isUniqueViolation, type Transaction } from '@murmuration/data'
import { errors, invalid, invalidField } from '../errors.ts'
import { renameProblem } from '../rules/names.ts'
import { requireManageable, requireNotSecondary, requireRenamable, requireResting, requireUnmanageable } from '../rules/management.ts'
import type { ReconfigureNetworkInput } from '../rules/operations.ts'
import { claim, enqueueOperation, refuseConflict, requireNoOperation, requireRow, write, type Asker } from '../store/claims.ts'
import { readDocuments, writeDocuments, type Documents } from '../store/documents.ts'
import { findGroup } from '../store/groups.ts'
import { lockNetworks, reserveNetwork } from '../store/networks.ts'
import type { Schema } from '../store/schema.ts'
import { statusesAfterManage, statusesAfterUnmanage } from '../store/statuses.ts'
import type { SubcloudColumns, SubcloudRow } from '../store/subclouds.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import type { ApiContext } from './context.ts'
import type { Form } from './form.ts'
import { readReconfiguration, type Reconfiguration } from './network-reconfiguration.ts'
import { bmcPasswordOf, readValues, refuseLater, type Values } from './values.ts'

const answerOf = (row: SubcloudRow): string => JSON.stringify(subcloudToWire(row))

/** What a request without verb wants, checked as far as that needs no lock. */
interface Wanted {
  readonly name: string | undefined
  readonly group: string | undefined
  readonly managementState: 'managed' | 'unmanaged' | undefined
  readonly force: boolean
  readonly columns: SubcloudColumns
  readonly values: Values
  /** Without install values: for those that are stored. */
  readonly bmcPassword: string | undefined
  readonly reconfiguration: Reconfiguration | undefined
}

/** PATCH without verb (reference dcmanager §1.7, §4.6): everything it names in one transaction, or nothing. */
export async function updateSubcloudByForm(context: ApiContext, row: SubcloudRow, form: Form, asker: Asker): Promise<string> {
  const { desk } = context
  const wanted = await readWanted(context, row, form)
  try {
    return answerOf(await claim(desk, asker, answerOf, (tx) => apply(context, tx, asker, row.id, wanted)))
  } catch (error) {
    if (wanted.name !== undefined && isUniqueViolation(error) && /subclouds/.test(error.constraint ?? ''))
      throw errors.renameTaken({ name: wanted.name })
    throw error
  }
}

async function readWanted(context: ApiContext, row: SubcloudRow, form: Form): Promise<Wanted> {
  refuseLater(form)
  const managementState = form.text('management-state')
  if (managementState !== undefined && managementState !== 'managed' && managementState !== 'unmanaged')
    throw invalidField('management-state', 'must be managed or unmanaged')
  const force = form.flag('force') ?? false
  if (form.has('force') && managementState !== 'managed') throw invalidField('force', 'may only be used with management-state managed')

  const name = form.text('name')
  const problem = name === undefined ? undefined : renameProblem(name)
  if (problem !== undefined) throw invalidField('name', problem)

  const reconfiguration = await readReconfiguration(context, row, form)
  // In a reconfiguration the address belongs to it; otherwise it is a value to store.
  const values = await readValues(context, withoutName(form), {
    name: row.name,
    release: row.software_version,
    oamFamily: row.external_oam_subnet_ip_family,
  })
  if (values.bootstrap !== undefined) requireSameNetwork(row, values)
  const { bootstrap_address: address, ...columns } = values.columns
  const wanted: Wanted = {
    name,
    group: form.text('group_id'),
    managementState,
    force,
    columns: {
      ...(form.has('description') ? { description: form.text('description')! } : {}),
      ...(form.has('location') ? { location: form.text('location')! } : {}),
      ...(form.has('release') ? { software_version: values.release } : {}),
      ...columns,
      ...(reconfiguration === undefined && address !== undefined ? { bootstrap_address: address } : {}),
    },
    values,
    bmcPassword: values.hasInstallValues ? undefined : bmcPasswordOf(form),
    reconfiguration,
  }
  const asks =
    name !== undefined ||
    wanted.group !== undefined ||
    managementState !== undefined ||
    reconfiguration !== undefined ||
    wanted.bmcPassword !== undefined ||
    Object.keys(wanted.columns).length > 0
  if (!asks) throw form.names.length === 0 ? errors.bodyEmpty() : errors.nothingToUpdate()
  return wanted
}

async function apply(context: ApiContext, tx: Transaction<Schema>, asker: Asker, id: number, wanted: Wanted): Promise<SubcloudRow> {
  const { desk } = context
  const row = await requireRow(tx, id)
  let columns = wanted.columns
  if (wanted.name !== undefined) {
    requireRenamable(row, wanted.name)
    await requireFreeName(tx, id, wanted.name)
    columns = { ...columns, name: wanted.name }
  }
  if (wanted.group !== undefined) {
    const group = await findGroup(tx, wanted.group)
    if (group === undefined) throw errors.groupInvalid({ group: wanted.group.slice(0, 64) }, { field: 'group_id' })
    columns = { ...columns, group_id: group.id }
  }
  if (wanted.managementState === 'managed') {
    const status = requireManageable(row, wanted.force)
    // Its deletion was accepted: nobody gets a managed subcloud back that is gone a moment later.
    await requireNoOperation(tx, id, ['subcloud.delete'])
    columns = { ...columns, management_state: 'managed', ...(status === undefined ? {} : { deploy_status: status }) }
  } else if (wanted.managementState === 'unmanaged') {
    requireUnmanageable(row)
    columns = { ...columns, management_state: 'unmanaged' }
  }
  if (wanted.reconfiguration !== undefined) columns = { ...columns, ...(await reserve(tx, row, wanted.reconfiguration)) }

  await writeDocuments(tx, desk.world, desk.keyring, id, await documentsOf(context, tx, id, wanted))
  const written = await write(desk, tx, row, columns)
  if (wanted.reconfiguration !== undefined) {
    const { network, bootstrapAddress, sysadminPassword } = wanted.reconfiguration
    await enqueueOperation<ReconfigureNetworkInput>(desk, tx, asker, 'subcloud.reconfigure-network', id, {
      subcloudId: id,
      sysadminPassword: desk.keyring.seal(sysadminPassword, `subcloud:${id}:sysadmin_password`),
      managementSubnet: network.subnet,
      managementGatewayIp: network.gateway,
      managementStartIp: network.start,
      managementEndIp: network.end,
      bootstrapAddress,
    })
  }
  if (wanted.managementState === undefined) return written
  if (wanted.managementState === 'managed') {
    await statusesAfterManage(tx, desk.world, id)
    tx.afterCommit(() => desk.wakeAuditors([id]))
  } else await statusesAfterUnmanage(tx, desk.world, id)
  return requireRow(tx, id)
}

/** Among names and among region names: wherever a name may stand, a region may too. */
async function requireFreeName(tx: Transaction<Schema>, id: number, name: string): Promise<void> {
  await lockNetworks(tx)
  const other = await tx.query
    .selectFrom('subclouds')
    .select('id')
    .where('id', '!=', id)
    .where((eb) => eb.or([eb('name', '=', name), eb('region_name', '=', name)]))
    .executeTakeFirst()
  if (other !== undefined) throw errors.renameTaken({ name }, { field: 'name' })
}

async function reserve(tx: Transaction<Schema>, row: SubcloudRow, reconfiguration: Reconfiguration): Promise<SubcloudColumns> {
  requireNotSecondary(row)
  requireResting(row)
  if (row.management_state === 'managed') throw errors.reconfigureManaged()
  const claimed = { keys: reconfiguration.keys, oam: undefined, field: 'management_start_ip' }
  await lockNetworks(tx)
  await refuseConflict(tx, claimed, row.id)
  await reserveNetwork(tx, row.id, 'next', reconfiguration.keys)
  return { deploy_status: 'reconfiguring-network', error_description: 'No errors present' }
}

/** A rename is a rename in the stored bootstrap values too, a new BMC password one in the install values: the next phase reads them. */
async function documentsOf(context: ApiContext, tx: Transaction<Schema>, id: number, wanted: Wanted): Promise<Documents> {
  const { name, bmcPassword, values } = wanted
  if (name === undefined && bmcPassword === undefined) return values.documents
  const now = { ...(await readDocuments(tx, context.desk.keyring, id)), ...given(values.documents) }
  if (bmcPassword !== undefined && now.install_values === undefined) throw errors.installValuesMissing({}, { field: 'install_values' })
  return {
    ...values.documents,
    ...(name === undefined || now.bootstrap_values === undefined ? {} : { bootstrap_values: { ...now.bootstrap_values, name } }),
    ...(bmcPassword === undefined ? {} : { install_values: { ...(now.install_values as object), bmc_password: bmcPassword } }),
  }
}

const given = (documents: Documents): Documents => Object.fromEntries(Object.entries(documents).filter(([, value]) => value !== undefined))

/** Stored values describe the subcloud as it is; to move it there is the network reconfiguration. */
function requireSameNetwork(row: SubcloudRow, values: Values): void {
  const { columns } = values
  const differing = (['management_subnet', 'management_start_ip', 'management_end_ip', 'management_gateway_ip'] as const).filter(
    (column) => columns[column] !== row[column],
  )
  if (differing.length > 0)
    throw invalid(
      differing.map((column) => ({
        field: 'bootstrap_values',
        message: `changes ${column} from ${row[column]} to ${String(columns[column])}: that needs a network reconfiguration`,
      })),
    )
}

/** Here `name` is the new name; in the values file stands the present one. */
const withoutName = (form: Form): Form => ({
  ...form,
  text: (name, maxLength) => (name === 'name' ? undefined : form.text(name, maxLength)),
})
