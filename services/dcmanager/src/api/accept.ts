import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { Asker, Desk } from '../store/claims.ts'
import { findRemembered } from '../store/idempotency.ts'

/**
 * Answers a request that changes something. `work` gets who asks and returns the JSON text of the answer; with an
 * `Idempotency-Key` the answer was kept in the transaction that made the change, and a repeated request gets it without
 * doing anything (attacks 27): also when the subcloud has another name by then, or is gone, so look it up in `work`. `content` is
 * what makes two requests the same, beside method and path. `replayed` brings a kept answer to what a caller waits for, where the
 * answer was kept before the operation's end.
 */
export async function accept(
  desk: Desk,
  request: FastifyRequest,
  reply: FastifyReply,
  content: unknown,
  work: (asker: Asker) => Promise<string>,
  replayed: (kept: string) => Promise<string> = (kept) => Promise.resolve(kept),
): Promise<FastifyReply> {
  void reply.type('application/json; charset=utf-8')
  const asker: Asker = { userId: request.identity.userId, requestId: request.requestId }
  const key = request.headers['idempotency-key']
  if (key === undefined) return reply.send(await work(asker))
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) throw errors.idempotencyKeyInvalid({}, { field: 'Idempotency-Key' })

  const { projectId, domainId, userId } = request.identity
  const scoped: Asker = {
    ...asker,
    userId,
    repeat: { key: `${projectId ?? domainId ?? ''}:${key}`, digest: digestOf([request.method, request.url, content]) },
  }
  const earlier = await replay(desk, reply, scoped)
  if (earlier !== undefined) return reply.send(await replayed(earlier))
  try {
    return await reply.send(await work(scoped))
  } catch (error) {
    // The same request at the same time: whatever this one met (its key, its name, its subcloud's job), the other one made it.
    const answer = await replay(desk, reply, scoped)
    if (answer === undefined) throw error
    return reply.send(await replayed(answer))
  }
}

async function replay(desk: Desk, reply: FastifyReply, asker: Asker): Promise<string | undefined> {
  const { key, digest } = asker.repeat!
  const earlier = await findRemembered(desk.database, desk.world, desk.keyring, asker.userId, key)
  if (earlier === undefined) return undefined
  if (earlier.digest !== digest) throw errors.idempotencyMismatch({}, { field: 'Idempotency-Key' })
  void reply.code(earlier.status).header('idempotency-replayed', 'true')
  return earlier.body
}

const digestOf = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('base64url')

/** One text for one content, whatever the order of its members. */
function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes:${createHash('sha256').update(value).digest('base64url')}`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`
}
