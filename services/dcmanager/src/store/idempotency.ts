import { timestamp, type Queryable } from '@murmuration/data'
import { Secret, type Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { Schema } from './schema.ts'

/** What a repeated request is told apart by, and what it is answered. */
export interface Remembered {
  readonly digest: string
  readonly status: number
  readonly body: string
}

/** Answers are replayed this long; after that a key may be used again. */
export const rememberMs = 24 * 3_600_000

const contextOf = (userId: string, key: string): string => `idempotency:${userId}:${key}`

export async function findRemembered(
  db: Queryable<Schema>,
  world: World,
  keyring: Keyring,
  userId: string,
  key: string,
): Promise<Remembered | undefined> {
  const row = await db.query
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('user_id', '=', userId)
    .where('key', '=', key)
    .where('created_at', '>', timestamp(world.clock.nowMs() - rememberMs))
    .executeTakeFirst()
  return row === undefined
    ? undefined
    : { digest: keyring.open(row.request_digest, contextOf(userId, key)).reveal(), status: row.status, body: row.body }
}

/**
 * Keeps the answer in the transaction that makes it true, so that a repeated request can never do the work twice. A second request
 * with the same key that runs at the same time fails here with a unique violation, and is answered from what this one left.
 */
export async function remember(
  db: Queryable<Schema>,
  world: World,
  keyring: Keyring,
  userId: string,
  key: string,
  answer: Remembered,
): Promise<void> {
  // What is too old to be replayed is removed here, so the table does not grow with time.
  await db.query
    .deleteFrom('idempotency_keys')
    .where('created_at', '<=', timestamp(world.clock.nowMs() - rememberMs))
    .execute()
  await db.query
    .insertInto('idempotency_keys')
    .values({
      user_id: userId,
      key,
      request_digest: keyring.seal(new Secret(answer.digest), contextOf(userId, key)),
      status: answer.status,
      body: answer.body,
      created_at: timestamp(world.clock.nowMs()),
    })
    .execute()
}
