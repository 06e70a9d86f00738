import { timestamp, upsert, type Queryable } from '@murmuration/data'
import { Secret, type Keyring, type Sealed } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { Schema, SubcloudDocumentTable } from './schema.ts'

export type DocumentKind = SubcloudDocumentTable['kind']
export type Documents = Partial<Record<DocumentKind, unknown>>

const contextOf = (subcloudId: number, kind: DocumentKind): string => `subcloud:${subcloudId}:${kind}`

/** What operators hand in holds passwords anywhere, so it is sealed whole. One statement for all kinds. */
export const writeDocuments = (
  db: Queryable<Schema>,
  world: World,
  keyring: Keyring,
  subcloudId: number,
  documents: Documents,
): Promise<void> => writeDocumentsOfMany(db, world, keyring, [{ subcloudId, documents }])

/** As `writeDocuments`, of many subclouds in one statement. */
export async function writeDocumentsOfMany(
  db: Queryable<Schema>,
  world: World,
  keyring: Keyring,
  many: readonly { readonly subcloudId: number; readonly documents: Documents }[],
): Promise<void> {
  const updatedAt = timestamp(world.clock.nowMs())
  const rows = many.flatMap(({ subcloudId, documents }) =>
    Object.entries(documents)
      .filter(([, value]) => value !== undefined)
      .map(([kind, value]) => ({
        subcloud_id: subcloudId,
        kind,
        sealed: sealDocument(keyring, subcloudId, kind as DocumentKind, value),
        updated_at: updatedAt,
      })),
  )
  if (rows.length === 0) return
  await upsert(db, 'subcloud_documents', rows, { conflict: ['subcloud_id', 'kind'], update: ['sealed', 'updated_at'] })
}

/** Opens the documents of one subcloud. Hold the result for as short as possible: it is in clear. */
export async function readDocuments(
  db: Queryable<Schema>,
  keyring: Keyring,
  subcloudId: number,
  kinds?: readonly DocumentKind[],
): Promise<Documents> {
  const rows = await db.query
    .selectFrom('subcloud_documents')
    .select(['kind', 'sealed'])
    .where('subcloud_id', '=', subcloudId)
    .$if(kinds !== undefined, (query) => query.where('kind', 'in', [...kinds!]))
    .execute()
  return Object.fromEntries(rows.map((row) => [row.kind, openDocument(keyring, subcloudId, row.kind, row.sealed)]))
}

export const sealDocument = (keyring: Keyring, subcloudId: number, kind: DocumentKind, value: unknown): Sealed =>
  keyring.seal(new Secret(JSON.stringify(value)), contextOf(subcloudId, kind))

/** In clear: see `readDocuments`. */
export const openDocument = (keyring: Keyring, subcloudId: number, kind: DocumentKind, sealed: Sealed): unknown =>
  JSON.parse(keyring.open(sealed, contextOf(subcloudId, kind)).reveal()) as unknown

/** As `readDocuments`, of many subclouds in one statement. */
export async function readDocumentsOf(
  db: Queryable<Schema>,
  keyring: Keyring,
  subcloudIds: readonly number[],
): Promise<ReadonlyMap<number, Documents>> {
  const documents = new Map<number, Documents>()
  if (subcloudIds.length === 0) return documents
  const rows = await db.query
    .selectFrom('subcloud_documents')
    .select(['subcloud_id', 'kind', 'sealed'])
    .where('subcloud_id', 'in', subcloudIds)
    .execute()
  for (const row of rows)
    documents.set(row.subcloud_id, {
      ...documents.get(row.subcloud_id),
      [row.kind]: openDocument(keyring, row.subcloud_id, row.kind, row.sealed),
    })
  return documents
}
