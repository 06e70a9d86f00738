import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from './errors.ts'

/** A key that somebody used, what for, and the answer once there is one. */
export interface IdempotencyRecord {
  /** Who: keys of different users never meet. */
  readonly scope: string
  readonly key: string
  /** Of method, path and body. */
  readonly requestHash: string
  /** Undefined while the first request is still at work. */
  readonly answer: { readonly status: number; readonly body: string } | undefined
}

/**
 * Kept by the service in its own database, unique by scope and key. Rows older than a day may go; rows that stay without an answer
 * belong to a process that died: after some minutes they may go too. Not for operations whose answers hold secrets.
 */
export interface IdempotencyStore {
  find(scope: string, key: string): Promise<IdempotencyRecord | undefined>
  /** Claims the key without an answer. False when it is taken already. */
  insert(record: IdempotencyRecord): Promise<boolean>
  /** Adds the answer to a claimed key. */
  finish(scope: string, key: string, answer: { status: number; body: string }): Promise<void>
  /** Gives a claimed key back: the request was refused and changed nothing. */
  release(scope: string, key: string): Promise<void>
}

/**
 * Runs `work` at most once per user and `Idempotency-Key` (optional for the caller). The same key with the same request gets the stored answer and
 * `Idempotency-Replayed: true`; with another one 422; while the first is at work 409 (attacks 27). Refusals (4xx, 5xx) are not kept.
 * `body` is what makes two requests the same: `request.body`, or what `readMultipart` gave.
 */
export async function once<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  store: IdempotencyStore,
  body: unknown,
  work: () => Promise<T>,
): Promise<T> {
  const key = request.headers['idempotency-key']
  if (key === undefined) return work()
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new ApiError(400, 'invalidIdempotencyKey', 'Idempotency-Key must have 1 to 255 printable ASCII characters without spaces.', {
      field: 'Idempotency-Key',
    })
  }
  const { userId, projectId, domainId, systemScope } = request.identity
  const scope = `${userId}:${projectId ?? domainId ?? (systemScope ? 'system' : '')}`
  const requestHash = hashOf([request.method, request.url, body])

  const claimed = await store.insert({ scope, key, requestHash, answer: undefined })
  if (!claimed) {
    const earlier = await store.find(scope, key)
    if (earlier?.answer === undefined && (earlier === undefined || earlier.requestHash === requestHash)) {
      throw new ApiError(409, 'idempotentRequestRunning', 'A request with this Idempotency-Key is still being worked on.', {
        hint: 'Try again later.',
      })
    }
    if (earlier.requestHash !== requestHash || earlier.answer === undefined) {
      throw new ApiError(422, 'idempotencyKeyReused', 'This Idempotency-Key was used for a different request.', {
        hint: 'Use a new key for a new request.',
      })
    }
    void reply.code(earlier.answer.status).header('idempotency-replayed', 'true')
    return JSON.parse(earlier.answer.body) as T
  }
  let result: T
  try {
    result = await work()
  } catch (error) {
    await store.release(scope, key)
    throw error
  }
  if (reply.statusCode >= 400) await store.release(scope, key)
  else await store.finish(scope, key, { status: reply.statusCode, body: JSON.stringify(result ?? null) })
  return result
}

/** The same for every order of members; bytes count by their own hash. */
function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('base64url')
}

function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes:${createHash('sha256').update(value).digest('base64url')}`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}
