import { Type } from 'typebox'
import type { Revocation } from '@murmuration/trust'
import { errors } from '../errors.ts'
import { limits } from '../rules/limits.ts'
import { headSequence, revocationsAfter } from '../store/revocations.ts'
import { isoTime } from '../wire/times.ts'
import { baseUrl, type Api } from './kit.ts'

const After = Type.Object({ after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })) })

/** What a service needs to check tokens by itself. */
export function trustRoutes({ app, room }: Api): void {
  /**
   * `sequence` is the `after` of the next question. When `after` is beyond our newest number, the database was restored from
   * a backup: everything is told again. `more` asks to come back at once.
   */
  app.get('/v3/murmuration/trust', { config: { policy: 'identity:get_trust' }, schema: { querystring: After } }, async (request, reply) => {
    await room.keys.reload()
    const { head, revocations } = await room.db.transaction(async (tx) => {
      const head = await headSequence(tx)
      const after = request.query.after ?? 0
      return { head, revocations: await revocationsAfter(tx, after > head ? 0 : after) }
    })
    const more = revocations.length === limits.maxRevocationsTold
    // Who asks for all at once would miss the newest ones: no answer is safer than half of one.
    if (more && request.query.after === undefined) throw errors.tooManyRevocations()
    const nowMs = room.world.clock.nowMs()
    return reply.header('cache-control', 'no-store').send({
      issuer: room.issuer,
      keys: room.keys.verification(),
      sequence: more ? revocations.at(-1)!.sequence : head,
      more,
      revocations: revocations.filter((entry) => entry.expiresAtMs > nowMs),
    })
  })

  app.get('/v3/OS-REVOKE/events', { config: { policy: 'identity:get_trust' } }, async (request) => {
    const nowMs = room.world.clock.nowMs()
    const events = (await revocationsAfter(room.db, 0)).filter((entry) => entry.expiresAtMs > nowMs)
    return { events: events.map(wireEvent), links: { self: `${baseUrl(request, room)}/OS-REVOKE/events`, previous: null, next: null } }
  })
}

const wireEvent = (entry: Revocation) => ({
  issued_before: isoTime(entry.atMs),
  ...(entry.auditId === undefined ? {} : { audit_id: entry.auditId }),
  ...(entry.auditChainId === undefined ? {} : { audit_chain_id: entry.auditChainId }),
  ...(entry.userId === undefined ? {} : { user_id: entry.userId }),
  ...(entry.projectId === undefined ? {} : { project_id: entry.projectId }),
  ...(entry.domainId === undefined ? {} : { domain_id: entry.domainId }),
  ...(entry.roleId === undefined ? {} : { role_id: entry.roleId }),
})
