import { isUniqueViolation, type Transaction } from '@murmuration/data'
import { errors, invalidField } from '../errors.ts'
import { renameProblem } from '../rules/names.ts'
import { requireManageable, requireNotSecondary, requireRenamable, requireResting, requireUnmanageable } from '../rules/management.ts'
import type { ReconfigureNetworkInput } from '../rules/operations.ts'
import { isStandby, requireMayMigrate } from '../rules/peer-groups.ts'
import { changedColumns, sharedSubcloudColumns } from '../rules/replicated.ts'
import { claim, enqueueOperation, refuseConflict, requireNoOperation, requireRow, write, type Asker, type Desk } from '../store/claims.ts'
import { writeDocuments } from '../store/documents.ts'
import { findGroup } from '../store/groups.ts'
import { lockNetworks, reserveNetwork } from '../store/networks.ts'
import type { Schema } from '../store/schema.ts'
import { statusesAfterManage, statusesAfterUnmanage } from '../store/statuses.ts'
import type { SubcloudColumns, SubcloudRow } from '../store/subclouds.ts'
import { subcloudToWire } from '../wire/subcloud.ts'
import type { ApiContext } from './context.ts'
import type { Form } from './form.ts'
import { localSystem } from './local-system.ts'
import { readReconfiguration, type Reconfiguration } from './network-reconfiguration.ts'
import { shownRehomeDataOf } from './rehome-data.ts'
import { documentsOf, newName, requireSameNetwork, type DocumentsWanted } from './subcloud-documents.ts'
import { announceMembership, decideMembership, type MembershipRequest } from './subcloud-membership.ts'
import { bmcPasswordOf, readValues } from './values.ts'

interface Updated {
  readonly row: SubcloudRow
  /** Without secrets, whoever asks: answers are kept for repeated requests. */
  readonly rehomeData: string | null
  readonly advice: readonly string[]
}

const answerOf = ({ row, rehomeData, advice }: Updated): string =>
  JSON.stringify({ ...subcloudToWire(row, rehomeData), ...(advice.length === 0 ? {} : { info_message: advice.join('\n') }) })

/** What a request without verb wants, checked as far as that needs no lock. */
interface Wanted extends DocumentsWanted {
  readonly group: string | undefined
  readonly managementState: 'managed' | 'unmanaged' | undefined
  readonly force: boolean
  readonly migrate: boolean
  readonly membership: MembershipRequest
  /** A peer writes over a standby copy: name and network may be others, for the primary site says what they are. */
  readonly standby: boolean
  readonly reconfiguration: Reconfiguration | undefined
}

/** PATCH without verb (reference dcmanager §1.7, §4.6): everything it names in one transaction, or nothing. */
export const updateSubcloudByForm = async (...request: Parameters<typeof updateByForm>): Promise<string> =>
  answerOf(await updateByForm(...request))

/** The same, for who needs no answer on the wire. */
export async function updateByForm(context: ApiContext, row: SubcloudRow, form: Form, asker: Asker, byPeer: boolean): Promise<Updated> {
  const { desk } = context
  const wanted = await readWanted(context, row, form, byPeer)
  try {
    return await claim(desk, asker, answerOf, (tx) => apply(context, tx, asker, row.id, wanted))
  } catch (error) {
    if (wanted.name !== undefined && isUniqueViolation(error) && /subclouds/.test(error.constraint ?? ''))
      throw errors.renameTaken({ name: wanted.name })
    throw error
  }
}

async function readWanted(context: ApiContext, row: SubcloudRow, form: Form, byPeer: boolean): Promise<Wanted> {
  const managementState = form.text('management-state')
  if (managementState !== undefined && managementState !== 'managed' && managementState !== 'unmanaged')
    throw invalidField('management-state', 'must be managed or unmanaged')
  const force = form.flag('force') ?? false
  if (form.has('force') && managementState !== 'managed') throw invalidField('force', 'may only be used with management-state managed')

  const name = form.text('name')
  const problem = name === undefined ? undefined : renameProblem(name)
  if (problem !== undefined) throw invalidField('name', problem)

  const reconfiguration = await readReconfiguration(context, row, form)
  const standby = byPeer && isStandby(row)
  // In a reconfiguration the address belongs to it; otherwise it is a value to store.
  const values = await readValues(context, withoutName(form), {
    ...(standby ? { trusted: true } : { name: row.name }),
    release: row.software_version,
    oamFamily: row.external_oam_subnet_ip_family,
  })
  if (values.bootstrap !== undefined && !standby) requireSameNetwork(row, values)
  const { bootstrap_address: address, ...columns } = values.columns
  const peerGroup = form.text('peer_group')
  const inSight = row.peer_group_id !== null || peerGroup !== undefined
  const fields = form.names.filter((each) => !aboutTheRequest.has(each))
  const wanted: Wanted = {
    name: standby ? newName(row, values) : name,
    migrate: form.flag('migrate') ?? false,
    membership: {
      peerGroup,
      update:
        fields.length === 0
          ? undefined
          : { managementState: managementState !== undefined, onlyRehomeData: fields.every((each) => rehomeFields.has(each)) },
      systemId: inSight ? (await localSystem(context)).uuid : undefined,
      byPeer,
    },
    standby,
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
    wanted.name !== undefined ||
    wanted.migrate ||
    peerGroup !== undefined ||
    wanted.group !== undefined ||
    managementState !== undefined ||
    reconfiguration !== undefined ||
    wanted.bmcPassword !== undefined ||
    Object.keys(wanted.columns).length > 0 ||
    // A standby copy that is sent again as it is.
    standby
  if (!asks || form.names.length === 0) throw form.names.length === 0 ? errors.bodyEmpty() : errors.nothingToUpdate()
  return wanted
}

async function apply(context: ApiContext, tx: Transaction<Schema>, asker: Asker, id: number, wanted: Wanted): Promise<Updated> {
  const { desk } = context
  const row = await requireRow(tx, id)
  if (wanted.standby && !isStandby(row)) throw errors.conflictingChange()
  const membership = await decideMembership(tx, row, wanted.membership)
  let columns = wanted.columns
  if (membership.to !== undefined) columns = { ...columns, peer_group_id: membership.to?.id ?? null }
  if (wanted.name !== undefined) {
    if (!wanted.standby) requireRenamable(row, wanted.name)
    await requireFreeName(tx, id, wanted.name)
    columns = { ...columns, name: wanted.name }
  }
  if (wanted.group !== undefined) {
    const group = await findGroup(tx, wanted.group)
    if (group === undefined) throw errors.groupInvalid({ group: wanted.group.slice(0, 64) }, { field: 'group_id' })
    columns = { ...columns, group_id: group.id }
  }
  columns = { ...columns, ...(await managementColumns(tx, row, wanted)) }
  if (wanted.reconfiguration !== undefined) columns = { ...columns, ...(await reserve(tx, row, wanted.reconfiguration)) }
  if (wanted.standby && wanted.values.network !== undefined) {
    await lockNetworks(tx)
    await refuseConflict(tx, wanted.values.network, id)
    await reserveNetwork(tx, id, 'current', wanted.values.network.keys)
  }

  const documents = await documentsOf(context, tx, row, wanted, membership)
  await writeDocuments(tx, desk.world, desk.keyring, id, documents.written)
  await write(desk, tx, row, columns)
  const changed = documents.changed || changedColumns(sharedSubcloudColumns, row, columns).length > 0
  const advice = await announceMembership(desk, tx, row, membership, changed)
  await afterwards(desk, tx, asker, row, wanted, columns)
  const written = await requireRow(tx, id)
  return { row: written, rehomeData: await shownRehomeDataOf(context, written, false, tx), advice }
}

/** Manage, unmanage and `migrate` (reference §4.6, §7.9). */
async function managementColumns(tx: Transaction<Schema>, row: SubcloudRow, wanted: Wanted): Promise<SubcloudColumns> {
  const { byPeer } = wanted.membership
  const columns: SubcloudColumns = {}
  if (wanted.managementState === 'managed') {
    if (wanted.migrate) throw invalidField('migrate', 'can not be given together with management-state managed')
    const status = requireManageable(row, wanted.force)
    // Its deletion was accepted: nobody gets a managed subcloud back that is gone a moment later.
    await requireNoOperation(tx, row.id, ['subcloud.delete'])
    return { management_state: 'managed', ...(status === undefined ? {} : { deploy_status: status }) }
  }
  if (wanted.managementState === 'unmanaged') {
    // A peer that asks again is told again.
    if (!(byPeer && wanted.migrate)) requireUnmanageable(row)
    columns.management_state = 'unmanaged'
  }
  if (wanted.migrate && requireMayMigrate(row, { willBeUnmanaged: wanted.managementState === 'unmanaged', byPeer })) {
    // Two operations must not meet, even when they are those of two controllers.
    await requireNoOperation(tx, row.id)
    columns.deploy_status = 'rehome-pending'
  }
  return columns
}

/** What else belongs to the change, when the row is written. */
async function afterwards(
  desk: Desk,
  tx: Transaction<Schema>,
  asker: Asker,
  { id }: SubcloudRow,
  wanted: Wanted,
  columns: SubcloudColumns,
): Promise<void> {
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
  if (columns.management_state === 'managed') {
    await statusesAfterManage(tx, desk.world, id)
    tx.afterCommit(() => desk.wakeAuditors([id]))
  } else if (columns.management_state === 'unmanaged' || columns.deploy_status === 'rehome-pending')
    await statusesAfterUnmanage(tx, desk.world, id)
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

/** Members of a form that say how, not what. */
const aboutTheRequest: ReadonlySet<string> = new Set(['subcloud_ref', 'verb', 'peer_group'])
const rehomeFields: ReadonlySet<string> = new Set(['bootstrap_values', 'bootstrap_address', 'bootstrap-address'])

/** Here `name` is the new name; in the values file stands the present one. */
const withoutName = (form: Form): Form => ({
  ...form,
  text: (name, maxLength) => (name === 'name' ? undefined : form.text(name, maxLength)),
})
