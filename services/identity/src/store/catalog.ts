import { flag, type Page } from '@murmuration/data'
import type { Db, EndpointRow, RegionRow, ServiceRow, Tx } from './schema.ts'
import { pageOf, type PageWish } from './listing.ts'

export const findRegion = (db: Db, id: string): Promise<RegionRow | undefined> =>
  db.query.selectFrom('regions').selectAll().where('id', '=', id).executeTakeFirst()

export function listRegions(db: Db, filter: { parentId?: string }, page: PageWish): Promise<Page<RegionRow>> {
  let query = db.query.selectFrom('regions').selectAll()
  if (filter.parentId !== undefined) query = query.where('parent_region_id', '=', filter.parentId)
  return pageOf(query, page, { sort: 'id', unique: 'id' })
}

export async function insertRegion(tx: Db, row: RegionRow): Promise<void> {
  await tx.query.insertInto('regions').values(row).execute()
}

export async function updateRegion(tx: Db, id: string, changes: Partial<RegionRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('regions').set(changes).where('id', '=', id).execute()
}

/** What still points to a region. */
export async function regionIsUsed(db: Db, id: string): Promise<boolean> {
  const endpoint = await db.query.selectFrom('endpoints').select('id').where('region_id', '=', id).limit(1).executeTakeFirst()
  const child = await db.query.selectFrom('regions').select('id').where('parent_region_id', '=', id).limit(1).executeTakeFirst()
  return endpoint !== undefined || child !== undefined
}

export async function deleteRegion(tx: Db, id: string): Promise<void> {
  await tx.query.deleteFrom('regions').where('id', '=', id).execute()
}

export const findService = (db: Db, id: string): Promise<ServiceRow | undefined> =>
  db.query.selectFrom('services').selectAll().where('id', '=', id).executeTakeFirst()

export function listServices(db: Db, filter: { type?: string; name?: string }, page: PageWish): Promise<Page<ServiceRow>> {
  let query = db.query.selectFrom('services').selectAll()
  if (filter.type !== undefined) query = query.where('type', '=', filter.type)
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  return pageOf(query, page, { sort: 'type', unique: 'id' })
}

export async function insertService(tx: Db, row: ServiceRow): Promise<void> {
  await tx.query.insertInto('services').values(row).execute()
}

export async function updateService(tx: Db, id: string, changes: Partial<ServiceRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('services').set(changes).where('id', '=', id).execute()
}

/** With its endpoints, as Keystone does. */
export async function deleteService(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('endpoints').where('service_id', '=', id).execute()
  await tx.query.deleteFrom('services').where('id', '=', id).execute()
}

export const findEndpoint = (db: Db, id: string): Promise<EndpointRow | undefined> =>
  db.query.selectFrom('endpoints').selectAll().where('id', '=', id).executeTakeFirst()

export interface EndpointFilter {
  readonly serviceId?: string
  readonly interface?: string
  readonly regionId?: string
  readonly enabled?: boolean
}

export function listEndpoints(db: Db, filter: EndpointFilter, page: PageWish): Promise<Page<EndpointRow>> {
  let query = db.query.selectFrom('endpoints').selectAll()
  if (filter.serviceId !== undefined) query = query.where('service_id', '=', filter.serviceId)
  if (filter.interface !== undefined) query = query.where('interface', '=', filter.interface as EndpointRow['interface'])
  if (filter.regionId !== undefined) query = query.where('region_id', '=', filter.regionId)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', flag(filter.enabled))
  return pageOf(query, page, { sort: 'id', unique: 'id' })
}

export async function insertEndpoint(tx: Db, row: EndpointRow): Promise<void> {
  await tx.query.insertInto('endpoints').values(row).execute()
}

export async function updateEndpoint(tx: Db, id: string, changes: Partial<EndpointRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.query.updateTable('endpoints').set(changes).where('id', '=', id).execute()
}

export async function deleteEndpoint(tx: Db, id: string): Promise<void> {
  await tx.query.deleteFrom('endpoints').where('id', '=', id).execute()
}

export interface CatalogEntry {
  readonly serviceId: string
  readonly type: string
  readonly name: string
  readonly endpointId: string | null
  readonly regionId: string | null
  readonly interface: EndpointRow['interface'] | null
  readonly url: string | null
}

/** What is enabled, one row per endpoint. It lists this site's services, never the fleet: its size doesn't grow with the subclouds. */
export const readCatalog = (db: Db): Promise<CatalogEntry[]> =>
  db.query
    .selectFrom('services')
    .leftJoin('endpoints', (join) => join.onRef('endpoints.service_id', '=', 'services.id').on('endpoints.enabled', '=', 1))
    .select([
      'services.id as serviceId',
      'services.type as type',
      'services.name as name',
      'endpoints.id as endpointId',
      'endpoints.region_id as regionId',
      'endpoints.interface as interface',
      'endpoints.url as url',
    ])
    .where('services.enabled', '=', 1)
    .orderBy('services.type')
    .orderBy('services.id')
    .orderBy('endpoints.region_id')
    .orderBy('endpoints.interface')
    .execute()
