import { timestamp, updateFrom, upsert, type Transaction } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { siteLocalValues } from '../rules/replicated.ts'
import { sealDocument } from '../store/documents.ts'
import type { Schema } from '../store/schema.ts'

/** Bootstrap values of a member that were corrected at the peer, with what is local to this site as it was here. */
export interface RehomeImport {
  readonly subcloudId: number
  readonly values: Readonly<Record<string, unknown>>
  readonly bootstrapAddress: string | undefined
}

type Values = Readonly<Record<string, unknown>>

/**
 * What a peer's rehome data changes here (reference dcmanager §7.10): none when it says the same. What is no object of values is passed
 * over: a peer must not be able to break a document that was good.
 */
export function importsOf(subcloudId: number, here: unknown, rehomeData: string): RehomeImport[] {
  const payload = mapOf(mapOf(parsed(rehomeData))?.['saved_payload'])
  if (payload === undefined || Object.keys(payload).length === 0) return []
  const ours = mapOf(here) ?? {}
  const { 'bootstrap-address': address, ...theirs } = payload
  const values = { ...theirs, ...only(ours, siteLocalValues), ...adminPassword(ours, theirs) }
  const bootstrapAddress = typeof address === 'string' && /^[0-9a-fA-F:.]{2,45}$/.test(address) ? address : undefined
  return [{ subcloudId, values, bootstrapAddress }]
}

/** Peers write it in base64; one that was hidden from us leaves ours. */
function adminPassword(ours: Values, theirs: Values): Values {
  const told = theirs['admin_password']
  if (typeof told !== 'string') return {}
  if (told === '***') return only(ours, ['admin_password'])
  const clear = Buffer.from(told, 'base64')
  return { admin_password: clear.toString('base64') === told ? clear.toString('utf8') : told }
}

const only = (values: Values, names: readonly string[]): Values =>
  Object.fromEntries(names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]))

/** Two statements, however many there are. */
export async function writeImports(tx: Transaction<Schema>, { world, keyring }: Site, imports: readonly RehomeImport[]): Promise<void> {
  if (imports.length === 0) return
  const updated_at = timestamp(world.clock.nowMs())
  await upsert(
    tx,
    'subcloud_documents',
    imports.map(({ subcloudId, values }) => ({
      subcloud_id: subcloudId,
      kind: 'bootstrap_values',
      sealed: sealDocument(keyring, subcloudId, 'bootstrap_values', values),
      updated_at,
    })),
    { conflict: ['subcloud_id', 'kind'], update: ['sealed', 'updated_at'] },
  )
  const moved = imports.flatMap(({ subcloudId: id, bootstrapAddress }) =>
    bootstrapAddress === undefined ? [] : [{ id, bootstrap_address: bootstrapAddress }],
  )
  if (moved.length > 0) await updateFrom(tx, 'subclouds', ['id'], moved)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const mapOf = (value: unknown): Values | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : undefined
