import type { Queryable, Transaction } from '@murmuration/data'
import { upsert } from '@murmuration/data'
import type { Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { networkKeys, type NetworkKeys, type SubcloudNetwork } from '../rules/addresses.ts'
import { movedValues } from '../rules/moved-values.ts'
import { asMap } from '../rules/problems.ts'
import { readDocuments, writeDocuments } from './documents.ts'
import { touchMember } from './peer-groups.ts'
import type { Schema, SubcloudNetworkTable } from './schema.ts'
import { updateSubcloud, type Expected, type SubcloudColumns, type SubcloudRow } from './subclouds.ts'

/** Two requests that want overlapping ranges must meet here: take this lock, then look, then reserve, in one transaction. */
export const lockNetworks = (tx: Transaction<Schema>): Promise<void> => tx.lock('subcloud_networks')

export interface NetworkConflict {
  readonly name: string
  readonly what: 'range' | 'oam'
}

/** What a subcloud wants of the address space. */
export interface NetworkWanted {
  readonly keys: NetworkKeys
  readonly oam: { readonly first: string; readonly last: string } | undefined
}

/** What another subcloud holds of it. */
export interface TakenRange extends NetworkKeys {
  readonly name: string
}

/**
 * Ranges of other subclouds that are in the way of any of these: they overlap start…end, or their management subnet contains the OAM
 * subnet. Shared management subnets are allowed (reference dcmanager §4.8). One statement, however many are wanted.
 */
export async function findTaken(db: Queryable<Schema>, wanted: readonly NetworkWanted[], exceptSubcloudId?: number): Promise<TakenRange[]> {
  const rows = await db.query
    .selectFrom('subcloud_networks as taken')
    .innerJoin('subclouds', 'subclouds.id', 'taken.subcloud_id')
    .select(['subclouds.name', 'taken.first_key', 'taken.last_key', 'taken.subnet_first_key', 'taken.subnet_last_key'])
    .where((eb) =>
      eb.or(
        wanted.flatMap(({ keys, oam }) => [
          eb.and([eb('taken.first_key', '<=', keys.last), eb('taken.last_key', '>=', keys.first)]),
          ...(oam === undefined
            ? []
            : [eb.and([eb('taken.subnet_first_key', '<=', oam.first), eb('taken.subnet_last_key', '>=', oam.last)])]),
        ]),
      ),
    )
    .$if(exceptSubcloudId !== undefined, (query) => query.where('taken.subcloud_id', '!=', exceptSubcloudId!))
    .orderBy('taken.subcloud_id')
    .execute()
  return rows.map((row) => ({
    name: row.name,
    first: row.first_key,
    last: row.last_key,
    subnetFirst: row.subnet_first_key,
    subnetLast: row.subnet_last_key,
  }))
}

/** The first of these ranges that is in the way of this one. */
export function inTheWay(ranges: readonly TakenRange[], { keys, oam }: NetworkWanted): NetworkConflict | undefined {
  for (const taken of ranges) {
    if (taken.first <= keys.last && taken.last >= keys.first) return { name: taken.name, what: 'range' }
    if (oam !== undefined && taken.subnetFirst <= oam.first && taken.subnetLast >= oam.last) return { name: taken.name, what: 'oam' }
  }
  return undefined
}

/** The first other subcloud that is in the way of this network. */
export async function findConflict(
  db: Queryable<Schema>,
  keys: NetworkKeys,
  oam: NetworkWanted['oam'],
  exceptSubcloudId?: number,
): Promise<NetworkConflict | undefined> {
  const wanted = { keys, oam }
  return inTheWay(await findTaken(db, [wanted], exceptSubcloudId), wanted)
}

export interface Reservation {
  readonly subcloudId: number
  readonly purpose: SubcloudNetworkTable['purpose']
  readonly keys: NetworkKeys
}

export const reserveNetwork = (
  tx: Transaction<Schema>,
  subcloudId: number,
  purpose: SubcloudNetworkTable['purpose'],
  keys: NetworkKeys,
): Promise<void> => reserveNetworks(tx, [{ subcloudId, purpose, keys }])

/** One statement, however many there are. */
export const reserveNetworks = (tx: Transaction<Schema>, reservations: readonly Reservation[]): Promise<void> =>
  upsert(
    tx,
    'subcloud_networks',
    reservations.map(({ subcloudId, purpose, keys }) => ({
      subcloud_id: subcloudId,
      purpose,
      first_key: keys.first,
      last_key: keys.last,
      subnet_first_key: keys.subnetFirst,
      subnet_last_key: keys.subnetLast,
    })),
    { conflict: ['subcloud_id', 'purpose'], update: ['first_key', 'last_key', 'subnet_first_key', 'subnet_last_key'] },
  )

/**
 * The good end of a network reconfiguration: what was reserved becomes what is held, in the row, in the ranges and in the stored
 * bootstrap values, which a later deployment reads. Undefined when the row is not as `expected`.
 */
export async function adoptNetwork(
  tx: Transaction<Schema>,
  { world, keyring }: { readonly world: World; readonly keyring: Keyring },
  subcloudId: number,
  network: SubcloudNetwork,
  columns: SubcloudColumns,
  expected: Expected = {},
): Promise<SubcloudRow | undefined> {
  const row = await updateSubcloud(
    tx,
    world,
    subcloudId,
    {
      ...columns,
      management_subnet: network.subnet,
      management_start_ip: network.start,
      management_end_ip: network.end,
      management_gateway_ip: network.gateway,
    },
    expected,
  )
  if (row === undefined) return undefined
  await touchMember(tx, world, [subcloudId])
  await releaseReserved(tx, [subcloudId])
  await reserveNetwork(tx, subcloudId, 'current', networkKeys(network))
  const { bootstrap_values: values } = await readDocuments(tx, keyring, subcloudId, ['bootstrap_values'])
  const map = asMap(values)
  if (map !== undefined) await writeDocuments(tx, world, keyring, subcloudId, { bootstrap_values: movedValues(map, network) })
  return row
}

/** The bad end: reservations are given back. */
export async function releaseReserved(tx: Transaction<Schema>, subcloudIds: readonly number[]): Promise<void> {
  await tx.query.deleteFrom('subcloud_networks').where('subcloud_id', 'in', subcloudIds).where('purpose', '=', 'next').execute()
}
