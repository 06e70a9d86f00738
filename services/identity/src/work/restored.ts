import type { World } from '@murmuration/world'
import { defaultLimits } from '../rules/limits.ts'
import { revoke } from '../store/revocations.ts'
import type { IdentityDatabase } from '../store/schema.ts'

/**
 * For a database that comes from a backup: revocations made after it are lost, so every token from before is void. Users
 * sign in again; sessions of services do it by themselves.
 */
export async function voidOldTokens(world: World, database: IdentityDatabase): Promise<void> {
  await database.transaction(async (tx) => {
    const domains = await tx.query.selectFrom('projects').select('id').where('is_domain', '=', 1).execute()
    const atMs = world.clock.nowMs()
    await revoke(
      tx,
      domains.map(({ id }) => ({ domainId: id })),
      { atMs, expiresAtMs: atMs + defaultLimits.tokenLifetimeMs + 60_000 },
    )
  })
}
