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

/**
 * The first other subcloud whose address range overlaps start…end, or whose management subnet contains the OAM subnet. Shared
 * management subnets are allowed (reference dcmanager §4.8).
 */
export async function findConflict(
  db: Queryable<Schema>,
  network: NetworkKeys,
  oam: { readonly first: string; readonly last: string } | undefined,
  exceptSubcloudId?: number,
): Promise<NetworkConflict | undefined> {
  const row = await db.query
    .selectFrom('subcloud_networks as taken')
    .innerJoin('subclouds', 'subclouds.id', 'taken.subcloud_id')
    .select((eb) => [
      'subclouds.name',
      eb
        .case()
        .when(eb.and([eb('taken.first_key', '<=', network.last), eb('taken.last_key', '>=', network.first)]))
        .then('range')
        .else('oam')
        .end()
        .as('what'),
    ])
    .where((eb) =>
      eb.or([
        eb.and([eb('taken.first_key', '<=', network.last), eb('taken.last_key', '>=', network.first)]),
        ...(oam === undefined
          ? []
          : [eb.and([eb('taken.subnet_first_key', '<=', oam.first), eb('taken.subnet_last_key', '>=', oam.last)])]),
      ]),
    )
    .$if(exceptSubcloudId !== undefined, (query) => query.where('taken.subcloud_id', '!=', exceptSubcloudId!))
    .orderBy('taken.subcloud_id')
    .limit(1)
    .executeTakeFirst()
  return row === undefined ? undefined : { name: row.name, what: row.what === 'range' ? 'range' : 'oam' }
}

export async function reserveNetwork(
  tx: Transaction<Schema>,
  subcloudId: number,
  purpose: SubcloudNetworkTable['purpose'],
  network: NetworkKeys,
): Promise<void> {
  await upsert(
    tx,
    'subcloud_networks',
    [
      {
        subcloud_id: subcloudId,
        purpose,
        first_key: network.first,
        last_key: network.last,
        subnet_first_key: network.subnetFirst,
        subnet_last_key: network.subnetLast,
      },
    ],
    { conflict: ['subcloud_id', 'purpose'], update: ['first_key', 'last_key', 'subnet_first_key', 'subnet_last_key'] },
  )
}

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
