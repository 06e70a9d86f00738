import { bulkInsert } from '@murmuration/data'
import type { Revocation } from '@murmuration/trust'
import type { Db, RevocationRow, Tx } from './schema.ts'
import { limits } from '../rules/limits.ts'

/** What a revocation names; at least one member. */
export type RevocationWish = Partial<Omit<Revocation, 'sequence' | 'atMs' | 'expiresAtMs'>>

/**
 * Adds revocations in the transaction of the change that causes them. The lock makes numbers rise in the order of commits:
 * who has read up to n never misses a smaller number that commits later.
 */
export async function revoke(tx: Tx, wishes: readonly RevocationWish[], times: { atMs: number; expiresAtMs: number }): Promise<void> {
  if (wishes.length === 0) return
  await tx.lock('revocations')
  await bulkInsert(
    tx,
    'revocations',
    wishes.map((wish) => ({
      at_ms: times.atMs,
      expires_at_ms: times.expiresAtMs,
      audit_id: wish.auditId ?? null,
      audit_chain_id: wish.auditChainId ?? null,
      user_id: wish.userId ?? null,
      project_id: wish.projectId ?? null,
      domain_id: wish.domainId ?? null,
      role_id: wish.roleId ?? null,
      application_credential_id: wish.applicationCredentialId ?? null,
    })),
  )
}

/** The number of the newest revocation ever made, pruned ones included. */
export async function headSequence(db: Db): Promise<number> {
  const row = await db.query
    .selectFrom('revocations')
    .select((select) => select.fn.max('sequence').as('head'))
    .executeTakeFirst()
  return row?.head ?? 0
}

export async function revocationsAfter(db: Db, sequence: number, limit: number = limits.maxRevocationsTold): Promise<Revocation[]> {
  const rows = await db.query
    .selectFrom('revocations')
    .selectAll()
    .where('sequence', '>', sequence)
    .orderBy('sequence')
    .limit(limit)
    .execute()
  return rows.map(toRevocation)
}

/** The newest row stays whatever its age: the head number must never go back. */
export async function pruneRevocations(tx: Tx, nowMs: number): Promise<void> {
  await tx.lock('revocations')
  const head = await headSequence(tx)
  await tx.query.deleteFrom('revocations').where('expires_at_ms', '<', nowMs).where('sequence', '<', head).execute()
}

export function toRevocation(row: RevocationRow): Revocation {
  return {
    sequence: row.sequence,
    atMs: row.at_ms,
    expiresAtMs: row.expires_at_ms,
    ...(row.audit_id === null ? {} : { auditId: row.audit_id }),
    ...(row.audit_chain_id === null ? {} : { auditChainId: row.audit_chain_id }),
    ...(row.user_id === null ? {} : { userId: row.user_id }),
    ...(row.project_id === null ? {} : { projectId: row.project_id }),
    ...(row.domain_id === null ? {} : { domainId: row.domain_id }),
    ...(row.role_id === null ? {} : { roleId: row.role_id }),
    ...(row.application_credential_id === null ? {} : { applicationCredentialId: row.application_credential_id }),
  }
}
