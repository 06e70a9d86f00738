import type { Log } from '@murmuration/world'
import { peerFailureOf, type Peers } from './peers.ts'
import type { PushPeerGroup } from './peer-ports.ts'

/** A request of an operator waits for this long at most, however many peers there are. */
const deadlineMs = 10_000

/** Tells every available peer of a change of a group, all at once (reference dcmanager §1.12 PATCH). */
export function createPeerPush(peers: Peers, log: Log): PushPeerGroup {
  return (group, change, rows) =>
    Promise.all(
      rows.map(async (peer) => {
        const { peer_name: peerName } = peer
        if (peer.availability_state !== 'available') return { peerName, failure: `it is ${peer.availability_state}` }
        try {
          const changes = {
            ...(change.peer_group_name === undefined ? {} : { newName: change.peer_group_name }),
            ...(change.group_state === undefined ? {} : { state: change.group_state }),
            ...(change.max_subcloud_rehoming === undefined ? {} : { maxSubcloudRehoming: change.max_subcloud_rehoming }),
          }
          // With the revision that the change makes: the peer's copy then says what is confirmed here.
          await peers.of(peer).updateGroup(group.peer_group_name, changes, { deadlineMs, revision: group.revision + 1 })
          return { peerName }
        } catch (error) {
          const failure = peerFailureOf(error)
          if (failure === undefined) log.error('a peer could not be told of a change of a group', { peer: peerName, error })
          return { peerName, failure: failure ?? 'a fault of this site; its log has the details' }
        }
      }),
    )
}
