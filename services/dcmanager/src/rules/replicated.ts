/**
 * The replicated document: what the peers of a group must have as it is here (reference dcmanager §7.7, §13 row 23). A change of any
 * of it makes associations out-of-sync; everything else belongs to one site and never crosses. Column names.
 */
export const sharedSubcloudColumns = [
  'name',
  'description',
  'location',
  'software_version',
  'bootstrap_address',
  'management_subnet',
  'management_start_ip',
  'management_end_ip',
  'management_gateway_ip',
] as const

export const sharedDocuments = ['bootstrap_values', 'install_values'] as const

export const sharedGroupColumns = [
  'peer_group_name',
  'group_state',
  'max_subcloud_rehoming',
  'system_leader_id',
  'system_leader_name',
] as const

/** Of those, what an operator changes; it is told to the peers before it is made (reference §1.12). */
export const pushedGroupColumns = ['peer_group_name', 'group_state', 'max_subcloud_rehoming'] as const

/**
 * Members of bootstrap values that each site has of its own: the gateway through which its subclouds reach it. A copy that crosses
 * gets that of the receiving site (`peer_controller_gateway_ip`), and one that comes back keeps ours.
 */
export const siteLocalValues = ['systemcontroller_gateway_address'] as const

/** Names of the columns whose values differ. */
export const changedColumns = <Column extends string>(
  columns: readonly Column[],
  before: Readonly<Partial<Record<Column, unknown>>>,
  after: Readonly<Partial<Record<Column, unknown>>>,
): Column[] => columns.filter((column) => after[column] !== undefined && after[column] !== before[column])
