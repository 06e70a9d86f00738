import type { AssociationRow, PeerGroupRow, SubcloudRow } from '../../check/reader.ts'
import { standbyStatuses } from '../../check/lifecycle-edges.ts'
import { siteAt } from '../../fleet/places.ts'
import type { Machine } from '../controller.ts'
import { nameOf } from '../places.ts'
import type { GeoWorld } from '../world.ts'

/** An association with both of its ends, as the two databases have them. */
export interface Ends {
  readonly primary: Machine
  readonly standby: Machine
  readonly association: AssociationRow
  readonly group: PeerGroupRow
  /** The standby's; undefined: it has none. */
  readonly copy: { readonly association: AssociationRow; readonly group: PeerGroupRow } | undefined
}

export function endsOf(world: GeoWorld): Ends[] {
  return world.machines.flatMap((primary) => {
    const { reader } = primary.checks
    return reader
      .associations()
      .filter((association) => association.association_type === 'primary')
      .flatMap((association) => {
        const peer = reader.systemPeers().find((each) => each.id === association.system_peer_id)
        const group = reader.peerGroups().find((each) => each.id === association.peer_group_id)
        const standby = world.machines.find((each) => each.place.uuid === peer?.peer_uuid)
        if (group === undefined || standby === undefined) return []
        return [{ primary, standby, association, group, copy: copyOf(standby, primary, group) }]
      })
  })
}

function copyOf(standby: Machine, primary: Machine, group: PeerGroupRow): Ends['copy'] {
  const { reader } = standby.checks
  const theirs = reader.peerGroups().find((each) => each.peer_group_name === group.peer_group_name)
  const peer = reader.systemPeers().find((each) => each.peer_uuid === primary.place.uuid)
  const association = reader
    .associations()
    .find((each) => each.peer_group_id === theirs?.id && each.system_peer_id === peer?.id && each.association_type === 'non-primary')
  return theirs === undefined || association === undefined ? undefined : { association, group: theirs }
}

/** What both sides say of an association, by their APIs. */
export interface Told {
  readonly status: string
  readonly message: string | null
  readonly copyStatus: string | undefined
}

/** Why what is said of this association is not so; empty when it is the truth. */
export function untruths(ends: Ends, told: Told): string[] {
  const { primary, standby, group, copy } = ends
  const title = `the association of ${group.peer_group_name} at ${primary.name} with ${standby.name} is ${told.status}`
  if (told.status === 'syncing') return [`${title}, and nothing synchronises it`]
  if (told.status === 'unknown') return [`${title}, and ${standby.name} can be reached`]
  const problems: string[] = []
  if (told.status === 'failed' && (told.message ?? '') === '') problems.push(`${title} without saying why`)
  if (copy !== undefined && told.copyStatus !== told.status) problems.push(`${title}, and ${standby.name} says ${told.copyStatus}`)
  if (told.status !== 'in-sync') return problems
  if (copy === undefined) return [`${title}, and ${standby.name} has none of it`]
  return [...problems, ...differences(ends, copy.group).map((difference) => `${title}, and ${difference}`)]
}

/** What of the replicated document differs (reference dcmanager §7.6, §7.7). */
function differences({ primary, standby, group }: Ends, theirs: PeerGroupRow): string[] {
  const found: string[] = []
  for (const column of ['group_state', 'max_subcloud_rehoming'] as const)
    if (group[column] !== theirs[column]) found.push(`its ${column} is ${group[column]} here and ${theirs[column]} there`)
  const there = new Map(membersOf(standby, theirs.id).map((row) => [String(row['region_name']), row]))
  for (const row of membersOf(primary, group.id)) {
    const other = there.get(String(row['region_name']))
    if (other === undefined) found.push(`${row.name} is not there`)
    else
      for (const column of ['name', 'description', 'location', 'software_version'] as const)
        if (row[column] !== other[column])
          found.push(`${column} of ${row.name} is ${String(row[column])} here and ${String(other[column])} there`)
  }
  const here = new Set(membersOf(primary, group.id).map((row) => String(row['region_name'])))
  for (const [region, row] of there)
    if (!here.has(region) && standbyStatuses.has(row.deploy_status)) found.push(`${row.name} (${row.deploy_status}) is there and not here`)
  return found
}

const membersOf = (machine: Machine, groupId: number): SubcloudRow[] =>
  machine.checks.reader.subclouds().filter((row) => row['peer_group_id'] === groupId)

/** Both copies name the same leader, and nobody migrates any more. Without a second copy there is nobody who would conclude the end. */
export function leadersDisagree({ primary, standby, group, copy }: Ends): string[] {
  const found = [group, ...(copy === undefined ? [] : [copy.group])].flatMap((each, index) =>
    each.migration_status === null || (copy === undefined && each.migration_status === 'complete')
      ? []
      : [`${each.peer_group_name} is still ${each.migration_status} at ${index === 0 ? primary.name : standby.name}`],
  )
  if (copy !== undefined && copy.group.system_leader_id !== group.system_leader_id)
    found.push(
      `${group.peer_group_name} is led by ${nameOf(group.system_leader_id)} as ${primary.name} says, and by ${nameOf(copy.group.system_leader_id)} as ${standby.name} says`,
    )
  return found
}

/** Every subcloud that can be reached is managed at one controller at most, and whoever does not own it does not say that it has it. */
export function managedTwice(world: GeoWorld): string[] {
  return world.sites.flatMap((site) => {
    const rows = world.machines.flatMap((machine) =>
      machine.checks.reader
        .subclouds()
        .filter((row) => siteAt(row.management_start_ip) === site.site)
        .map((row) => ({ machine, row })),
    )
    const managed = rows.filter(({ row }) => row.management_state === 'managed')
    const names = (list: typeof rows): string => list.map(({ machine }) => machine.name).join(' and ')
    if (managed.length > 1) return [`${site.name} is managed by ${names(managed)}`]
    if (!site.alive || site.owner === undefined) return []
    const claiming = rows.filter(({ machine, row }) => machine.place.uuid !== site.owner?.owner && row.deploy_status === 'complete')
    return claiming.map(
      ({ machine, row }) => `${site.name} is owned by ${site.owner?.ownerName}, and at ${machine.name} it is ${row.deploy_status}`,
    )
  })
}
