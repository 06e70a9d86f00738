import { claim, type Asker, type Desk } from '../store/claims.ts'
import { beginMigration } from '../store/migration-claims.ts'
import { peerSecretContext, readSystemPeer } from '../store/system-peers.ts'
import { readTakeovers, takeoverAsker } from '../store/takeovers.ts'

/** A migration that could not begin is tried again after this long: its reason is rarely gone sooner. */
const retryMs = 60_000

/**
 * Policy `rehome`: begins the migrations that are due, each in one transaction that asks the rule (rules/takeover.ts) once more and claims
 * the group; so any number of managers may look at once. One statement while no peer with that policy is away.
 */
export function createTakeover(desk: Desk): (signal: AbortSignal) => Promise<void> {
  const { database, world, keyring } = desk
  const log = world.log.child({ loop: 'takeover' })
  /** Group → when it could not begin. */
  const refusedAtMs = new Map<number, number>()

  /** False when it is not due any more. */
  const begin = (peerId: number, groupId: number): Promise<boolean> => {
    const asker: Asker = { userId: takeoverAsker, requestId: `takeover-${world.random.uuid()}` }
    return claim(
      desk,
      asker,
      () => '',
      async (tx) => {
        const peer = await readSystemPeer(tx, peerId)
        if (peer === undefined || peer.rehome_sysadmin_password === null) return false
        const [takeover] = await readTakeovers(tx, [peer], world.clock.nowMs())
        if (takeover?.due.some((group) => group.id === groupId) !== true) return false
        const sysadminPassword = keyring.open(peer.rehome_sysadmin_password, peerSecretContext(peer.peer_uuid, 'sysadmin_password'))
        await beginMigration(desk, tx, asker, { peerGroupId: groupId, sysadminPassword, witnessed: true })
        return true
      },
    )
  }

  return async (signal) => {
    const away = await database.query
      .selectFrom('system_peer')
      .selectAll()
      .where('heartbeat_failure_policy', '=', 'rehome')
      .where('availability_state', '=', 'unavailable')
      .orderBy('id')
      .execute()
    if (away.length === 0) return
    const takeovers = await readTakeovers(database, away, world.clock.nowMs())
    const nowMs = world.clock.monotonicMs()
    for (const [index, { due }] of takeovers.entries())
      for (const group of due) {
        if (signal.aborted) return
        if (nowMs - (refusedAtMs.get(group.id) ?? Number.NEGATIVE_INFINITY) < retryMs) continue
        const peer = away[index]!
        try {
          if (await begin(peer.id, group.id))
            log.warn('a takeover begins: the peer is unavailable, and its policy is rehome', { group: group.name, peer: peer.peer_name })
          refusedAtMs.delete(group.id)
        } catch (error) {
          refusedAtMs.set(group.id, nowMs)
          log.warn('a takeover could not begin', { group: group.name, peer: peer.peer_name, error, nextInMs: retryMs })
        }
      }
  }
}
