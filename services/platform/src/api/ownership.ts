import type { App, Gate } from '@murmuration/http'
import { errors } from '../errors.ts'
import { refusalOf, type Presented } from '../rules/ownership.ts'
import type { OwnershipDesk } from '../work/ownership-desk.ts'

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const number = /^[0-9]{1,15}$/

/**
 * The fence: before the token is looked at, so that a former owner is told who it is that manages the site, and not only that its
 * password is a wrong one. Whose site it is stands in headers too, for programs.
 */
export const ownershipGate =
  (desk: OwnershipDesk): Gate =>
  async (request, reply) => {
    if (request.routeOptions.url !== '/v1/dcaudit') return
    const presented = presentedBy(request.headers)
    const owner = await desk.judge(presented)
    if (owner === undefined) return
    void reply.headers({
      'murmuration-owner': owner.owner,
      'murmuration-owner-name': encodeURIComponent(owner.ownerName),
      'murmuration-owner-epoch': String(owner.epoch),
    })
    throw errors.staleOwner({ name: owner.ownerName, owner: owner.owner, epoch: owner.epoch, why: refusalOf(owner, presented) })
  }

/** Both or nothing: half of it, or nonsense, names nobody. */
function presentedBy(headers: Readonly<Record<string, string | string[] | undefined>>): Presented | undefined {
  const { 'murmuration-system': system, 'murmuration-epoch': epoch } = headers
  if (typeof system !== 'string' || typeof epoch !== 'string' || !uuid.test(system) || !number.test(epoch)) return undefined
  return { system: system.toLowerCase(), epoch: Number(epoch) }
}

/**
 * Who manages this site. Without a token: whoever reaches the agent has shown a certificate of the owner's authority or of a former
 * owner's (or is on this machine), and a former owner has no account here any more.
 */
export function ownership(app: App, desk: OwnershipDesk): void {
  app.get('/v1/ownership', { config: { policy: 'public' } }, async () => {
    const shown = await desk.show()
    if (shown === undefined) return { owner: null, owner_name: null, epoch: 0, claimed_at: null, owner_silent_ms: null }
    const { row, silentMs } = shown
    return {
      owner: row.owner,
      owner_name: row.owner_name,
      epoch: row.epoch,
      claimed_at: row.claimed_at,
      owner_silent_ms: Math.round(silentMs),
    }
  })
}
