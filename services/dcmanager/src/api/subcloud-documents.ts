import { isDeepStrictEqual } from 'node:util'
import type { Transaction } from '@murmuration/data'
import { errors, invalid } from '../errors.ts'
import { sharedDocuments } from '../rules/replicated.ts'
import { readDocuments, type Documents } from '../store/documents.ts'
import type { Schema } from '../store/schema.ts'
import type { SubcloudColumns, SubcloudRow } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'
import type { Membership } from './subcloud-membership.ts'
import type { Values } from './values.ts'

/** What of an update concerns the documents of the subcloud. */
export interface DocumentsWanted {
  readonly name: string | undefined
  readonly columns: SubcloudColumns
  readonly values: Values
  /** Without install values: for those that are stored. */
  readonly bmcPassword: string | undefined
}

export interface DocumentsToWrite {
  readonly written: Documents
  /** Whether what peers have of them is different now. */
  readonly changed: boolean
}

/**
 * A rename is a rename in the stored bootstrap values too, a new BMC password one in the install values: the next phase reads them. The
 * rehome data (reference §7.6) is made of the same documents: it must be whole where somebody needs it.
 */
export async function documentsOf(
  context: ApiContext,
  tx: Transaction<Schema>,
  row: SubcloudRow,
  wanted: DocumentsWanted,
  membership: Membership,
): Promise<DocumentsToWrite> {
  const { name, bmcPassword, values, columns } = wanted
  const joins = membership.to !== undefined && membership.to !== null
  const moves = columns.bootstrap_address !== undefined
  const gives = Object.values(values.documents).some((document) => document !== undefined)
  if (name === undefined && bmcPassword === undefined && !gives && !joins && !moves) return { written: {}, changed: false }
  const stored = await readDocuments(tx, context.desk.keyring, row.id)
  const now = { ...stored, ...given(values.documents) }
  if (bmcPassword !== undefined && now.install_values === undefined) throw errors.installValuesMissing({}, { field: 'install_values' })
  if (moves && now.bootstrap_values === undefined) throw errors.rehomeDataIncomplete({}, { field: 'bootstrap_address' })
  const address = columns.bootstrap_address ?? row.bootstrap_address
  if (joins && (now.bootstrap_values === undefined || address === null)) throw errors.memberWithoutRehomeData({}, { field: 'peer_group' })
  const written: Documents = {
    ...values.documents,
    ...(name === undefined || now.bootstrap_values === undefined ? {} : { bootstrap_values: { ...now.bootstrap_values, name } }),
    ...(bmcPassword === undefined ? {} : { install_values: { ...(now.install_values as object), bmc_password: bmcPassword } }),
  }
  const changed = sharedDocuments.some((kind) => written[kind] !== undefined && !isDeepStrictEqual(written[kind], stored[kind]))
  return { written, changed }
}

/** The primary site may have renamed it. */
export const newName = (row: SubcloudRow, { bootstrap }: Values): string | undefined =>
  bootstrap === undefined || bootstrap.name === row.name ? undefined : bootstrap.name

const given = (documents: Documents): Documents => Object.fromEntries(Object.entries(documents).filter(([, value]) => value !== undefined))

/** Stored values describe the subcloud as it is; to move it there is the network reconfiguration. */
export function requireSameNetwork(row: SubcloudRow, values: Values): void {
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
