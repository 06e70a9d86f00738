import type { PeerClient } from '@murmuration/clients'
import { listUnheardPeers, writePeerAuthority } from '../store/system-peers.ts'
import type { AssociationParts } from './association-sync.ts'
import { peerFailureOf } from './peers.ts'

const requestMs = 5_000
/** Asked in one round; the others in the next ones. */
const peersMost = 20

/**
 * Learns the certificate authorities of system peers that have no association, so that no heartbeat asks them: two standbys of one group
 * know of each other only by such a record, and one that the other takes a subcloud from can't be told so by the subcloud without it
 * (decision 9). Each is asked until it has answered, once for every address and account.
 */
export function createAuthorityLessons({ site, database, peers }: Pick<AssociationParts, 'site' | 'database' | 'peers'>) {
  const answered = new Map<number, PeerClient>()
  return async (signal: AbortSignal): Promise<void> => {
    const unknown = (await listUnheardPeers(database)).filter((peer) => answered.get(peer.id) !== peers.of(peer))
    await Promise.all(
      unknown.slice(0, peersMost).map(async (peer) => {
        const client = peers.of(peer)
        const call = { deadlineMs: requestMs, signal }
        try {
          // Nobody's authority is trusted who is not who the record says.
          if ((await client.system(call)).uuid !== peer.peer_uuid.toLowerCase()) return
          const pem = await client.authority(call)
          answered.set(peer.id, client)
          if (pem !== undefined) await writePeerAuthority(database, peer.id, pem)
        } catch (error) {
          if (peerFailureOf(error) === undefined && !signal.aborted)
            site.world.log.warn('the certificate authority of a peer was not learned', { peer: peer.peer_name, error })
        }
      }),
    )
  }
}
