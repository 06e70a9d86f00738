import { keysetPage, type Page, type PageRequest, type Queryable } from '@murmuration/data'
import type { SelectQueryBuilder } from 'kysely'
import type { DeployStatus } from '../rules/lifecycle.ts'
import { endpointTypes, type AvailabilityStatus, type ManagementState, type Schema, type SyncStatus } from './schema.ts'
import type { SubcloudRow } from './subclouds.ts'

/** All optional; what is given must hold. */
export interface SubcloudFilter {
  readonly name?: string
  readonly regionName?: string
  readonly managementState?: ManagementState
  readonly availabilityStatus?: AvailabilityStatus
  readonly deployStatus?: readonly DeployStatus[]
  readonly softwareVersion?: string
  readonly groupId?: number
  readonly peerGroupId?: number
  /** The aggregate over all endpoints. */
  readonly syncStatus?: SyncStatus
  /** Stands somewhere in name, description or location; upper and lower case are one for ASCII letters. */
  readonly text?: string
}

/** What may be sorted by, and its column. */
export const sortColumns = {
  id: 'id',
  name: 'name',
  location: 'location',
  'management-state': 'management_state',
  'availability-status': 'availability_status',
  'deploy-status': 'deploy_status',
  'software-version': 'software_version',
  'region-name': 'region_name',
  group_id: 'group_id',
  'created-at': 'created_at',
  'updated-at': 'updated_at',
} as const satisfies Record<string, keyof SubcloudRow>

const neverNull = [
  'name',
  'management_state',
  'availability_status',
  'deploy_status',
  'software_version',
  'region_name',
  'group_id',
  'created_at',
]

/** Status of each endpoint in the order of `endpointTypes`. */
export type EndpointStatuses = readonly SyncStatus[]

export interface SubcloudWithStatuses {
  readonly row: SubcloudRow
  readonly statuses: EndpointStatuses
}

type Subclouds = SelectQueryBuilder<Schema, 'subclouds', object>

/**
 * Subclouds in the order of their ids, or a page in any order, with their endpoint statuses: two statements, whatever the number
 * of subclouds. A subcloud without status rows is listed too (the original's join left it out).
 */
export async function listSubclouds(
  db: Queryable<Schema>,
  filter: SubcloudFilter,
  page?: PageRequest,
): Promise<Page<SubcloudWithStatuses>> {
  const matching = filtered(db, db.query.selectFrom('subclouds') as unknown as Subclouds, filter).selectAll('subclouds')
  if (page !== undefined) {
    const { rows, next } = await keysetPage(matching as never, page, sortColumns, 'id', neverNull)
    const found = rows as unknown as SubcloudRow[]
    const statuses = await statusesOf(
      db,
      found.map((row) => row.id),
    )
    return { rows: join(found, statuses), ...(next === undefined ? {} : { next }) }
  }
  const rows = (await matching.orderBy('subclouds.id').execute()) as SubcloudRow[]
  const few = rows.length <= idsInOneStatement
  return { rows: join(rows, rows.length === 0 ? new Map() : await statusesOf(db, few ? rows.map((row) => row.id) : undefined)) }
}

/** Above this it is cheaper to read all statuses than to name the subclouds. */
const idsInOneStatement = 500

export const unknownStatuses: EndpointStatuses = endpointTypes.map(() => 'unknown')

const join = (rows: readonly SubcloudRow[], statuses: ReadonlyMap<number, EndpointStatuses>): SubcloudWithStatuses[] =>
  rows.map((row) => ({ row, statuses: statuses.get(row.id) ?? unknownStatuses }))

/** One row a subcloud, made by the database: seven times fewer rows to carry over than there are in the table. */
export async function statusesOf(
  db: Queryable<Schema>,
  ids: readonly number[] | undefined,
): Promise<ReadonlyMap<number, EndpointStatuses>> {
  if (ids?.length === 0) return new Map()
  const rows = await db.query
    .selectFrom('subcloud_status')
    .select('subcloud_id')
    .select((eb) =>
      endpointTypes.map((type, index) =>
        eb.fn.max(eb.case().when('endpoint_type', '=', type).then(eb.ref('sync_status')).end()).as(`s${index}`),
      ),
    )
    .$if(ids !== undefined, (query) => query.where('subcloud_id', 'in', ids!))
    .groupBy('subcloud_id')
    .execute()
  const result = new Map<number, EndpointStatuses>()
  // Few combinations exist in a fleet: rows share them, and the serialiser writes each only once.
  const shared = new Map<string, EndpointStatuses>()
  for (const row of rows) {
    const statuses = endpointTypes.map((_, index) => (row as unknown as Record<string, SyncStatus | null>)[`s${index}`] ?? 'unknown')
    const key = statuses.join()
    let kept = shared.get(key)
    if (kept === undefined) shared.set(key, (kept = statuses))
    result.set(row.subcloud_id, kept)
  }
  return result
}

function filtered(db: Queryable<Schema>, query: Subclouds, filter: SubcloudFilter): Subclouds {
  const equal = (
    [
      ['name', filter.name],
      ['region_name', filter.regionName],
      ['management_state', filter.managementState],
      ['availability_status', filter.availabilityStatus],
      ['software_version', filter.softwareVersion],
      ['group_id', filter.groupId],
      ['peer_group_id', filter.peerGroupId],
    ] as const
  ).filter(([, value]) => value !== undefined)
  let result = query
  for (const [column, value] of equal) result = result.where(`subclouds.${column}`, '=', value as never)
  if (filter.deployStatus !== undefined) result = result.where('subclouds.deploy_status', 'in', filter.deployStatus)
  if (filter.syncStatus !== undefined) result = withSyncStatus(result, filter.syncStatus)
  if (filter.text !== undefined) result = withText(db, result, filter.text)
  return result
}

/** The aggregate is the value that all endpoints share, else out-of-sync; without rows it is unknown. */
function withSyncStatus(query: Subclouds, wanted: SyncStatus): Subclouds {
  return query.where((eb) => {
    const statuses = () =>
      eb.selectFrom('subcloud_status').select('subcloud_status.id').whereRef('subcloud_status.subcloud_id', '=', 'subclouds.id')
    const differs = (from: SyncStatus) => eb.exists(statuses().where('subcloud_status.sync_status', '!=', from))
    switch (wanted) {
      case 'in-sync':
        return eb.and([eb.exists(statuses()), eb.not(differs('in-sync'))])
      case 'unknown':
        return eb.not(differs('unknown'))
      case 'out-of-sync':
        return eb.and([differs('in-sync'), differs('unknown')])
    }
  })
}

/** A plain search for a substring: no pattern language, so no pattern can make it slow (attacks 38). */
function withText(db: Queryable<Schema>, query: Subclouds, text: string): Subclouds {
  const find = db.engine === 'sqlite' ? 'instr' : 'strpos'
  return query.where((eb) =>
    eb.or(
      (['name', 'description', 'location'] as const).map((column) =>
        eb(
          eb.fn<number>(find, [eb.fn('lower', [eb.fn.coalesce(`subclouds.${column}`, eb.val(''))]), eb.fn('lower', [eb.val(text)])]),
          '>',
          0,
        ),
      ),
    ),
  )
}
