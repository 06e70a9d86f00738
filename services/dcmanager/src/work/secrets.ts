import { json, type Database, type Json, type Transaction } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import type { Keyring, Sealed } from '@murmuration/trust'
import type { Schema } from '../store/schema.ts'

/** Rows at a time: a large fleet is sealed anew in bounded memory. */
const batch = 500

/**
 * After `keyring.rotate()`: seals everything that this service keeps with the newest key; then `keyring.retire()` is safe.
 * Inputs of ended jobs are left: nobody opens them again.
 */
export async function resealSecrets(site: Site): Promise<void> {
  const database = await site.openDatabase<Schema>('dcmanager')
  try {
    await resealDocuments(database, site.keyring)
    await resealAnswers(database, site.keyring)
    await resealLiveJobs(database, site.keyring)
  } finally {
    await database.close()
  }
  await resealVault(site)
}

const again = (keyring: Keyring, sealed: Sealed, context: string): Sealed => keyring.seal(keyring.open(sealed, context), context)

async function resealDocuments(database: Database<Schema>, keyring: Keyring): Promise<void> {
  await inBatches(async (after) => {
    const ids = await database.query.selectFrom('subclouds').select('id').where('id', '>', after).orderBy('id').limit(batch).execute()
    if (ids.length === 0) return undefined
    await database.transaction(async (tx) => {
      const rows = await tx.query
        .selectFrom('subcloud_documents')
        .selectAll()
        .where(
          'subcloud_id',
          'in',
          ids.map((row) => row.id),
        )
        .execute()
      for (const row of rows.filter((one) => keyring.isStale(one.sealed))) {
        await tx.query
          .updateTable('subcloud_documents')
          .set({ sealed: again(keyring, row.sealed, `subcloud:${row.subcloud_id}:${row.kind}`) })
          .where('subcloud_id', '=', row.subcloud_id)
          .where('kind', '=', row.kind)
          .execute()
      }
    })
    return ids.at(-1)?.id
  })
}

async function inBatches(work: (after: number) => Promise<number | undefined>): Promise<void> {
  let after: number | undefined = 0
  while (after !== undefined) after = await work(after)
}

/** Remembered answers live for a day; what is stale is few. */
async function resealAnswers(database: Database<Schema>, keyring: Keyring): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx.query.selectFrom('idempotency_keys').select(['user_id', 'key', 'request_digest']).execute()
    for (const row of rows.filter((one) => keyring.isStale(one.request_digest))) {
      await tx.query
        .updateTable('idempotency_keys')
        .set({ request_digest: again(keyring, row.request_digest, `idempotency:${row.user_id}:${row.key}`) })
        .where('user_id', '=', row.user_id)
        .where('key', '=', row.key)
        .execute()
    }
  })
}

async function resealLiveJobs(database: Database<Schema>, keyring: Keyring): Promise<void> {
  await database.transaction(async (tx) => {
    const rows = await tx.query.selectFrom('jobs').select(['id', 'input']).where('state', 'in', ['queued', 'running']).execute()
    for (const row of rows) await resealJob(tx, keyring, row)
  })
}

/** Members of inputs that are sealed, with the last part of their context. */
const sealedMembers = { sysadminPassword: 'sysadmin_password', operatorValues: 'operator_values' } as const

async function resealJob(tx: Transaction<Schema>, keyring: Keyring, row: { id: string; input: Json<unknown> }): Promise<void> {
  const input = json.read(row.input) as { subcloudId?: number; peerGroupId?: number | null } & Partial<
    Record<keyof typeof sealedMembers, Sealed>
  >
  const anew = Object.entries(sealedMembers).flatMap(([member, what]) => {
    const sealed = input[member as keyof typeof sealedMembers]
    return sealed === undefined || !keyring.isStale(sealed)
      ? []
      : [
          [
            member,
            again(
              keyring,
              sealed,
              `${input.subcloudId === undefined ? `peer-group:${input.peerGroupId}` : `subcloud:${input.subcloudId}`}:${what}`,
            ),
          ],
        ]
  })
  if (anew.length === 0) return
  await tx.query
    .updateTable('jobs')
    .set({ input: json.write({ ...input, ...(Object.fromEntries(anew) as object) }) })
    .where('id', '=', row.id)
    .execute()
}

/** The private keys and passwords that the manager made for subclouds (./credentials.ts). */
async function resealVault({ world, keyring, config }: Site): Promise<void> {
  const folder = `${config.varFolder}/vault/subclouds`
  const files = [
    ['certificate.json', 'sealedKey', 'private_key'],
    ['admin-password.json', 'sealed', 'admin_password'],
    ['archive-key.json', 'sealed', 'archive_key'],
  ] as const
  for (const id of await world.files.list(folder)) {
    for (const [name, member, what] of files) {
      const path = `${folder}/${id}/${name}`
      const data = await world.files.read(path)
      if (data === undefined) continue
      const content = JSON.parse(Buffer.from(data).toString('utf8')) as Record<string, Sealed>
      const sealed = content[member]
      if (sealed === undefined || !keyring.isStale(sealed)) continue
      await world.files.write(path, `${JSON.stringify({ ...content, [member]: again(keyring, sealed, `subcloud:${id}:${what}`) })}\n`)
    }
  }
}
