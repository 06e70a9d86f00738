import { AuthenticationFailed, createPeerClient, PeerRefused, SiteAnswerRefused, type PeerClient } from '@murmuration/clients'
import type { Site } from '@murmuration/site'
import { NetworkError, type NetworkErrorCode } from '@murmuration/world'
import { peerSecretContext, type SystemPeerRow } from '../store/system-peers.ts'
import type { ControllerFacts } from './controller-facts.ts'

/** Clients of the system peers. */
export interface Peers {
  /**
   * The client for this row: a changed address or account is used at once, tokens are kept while nothing changes. Its public endpoints
   * are trusted as any of the system's trust store is.
   */
  of(peer: SystemPeerRow): PeerClient
}

/** Clients that are kept; beyond it the one that was made first goes. */
const keptClients = 1_000

export function createPeers(site: Site, facts: Pick<ControllerFacts, 'ownSystem'>): Peers {
  const { world, keyring } = site
  const kept = new Map<number, { readonly made: string; readonly client: PeerClient }>()
  return {
    of(peer) {
      // The sealed text differs after every change of the password, even to the same one.
      const made = JSON.stringify([peer.peer_uuid, peer.manager_endpoint, peer.manager_username, peer.manager_password])
      const known = kept.get(peer.id)
      if (known?.made === made) return known.client
      const client = createPeerClient(world, {
        managerEndpoint: peer.manager_endpoint,
        userName: peer.manager_username,
        password: async () => keyring.open(peer.manager_password, peerSecretContext(peer.peer_uuid, 'password')),
        systemUuid: async () => (await facts.ownSystem()).uuid,
      })
      kept.delete(peer.id)
      if (kept.size >= keptClients) for (const oldest of kept.keys()) if (kept.delete(oldest)) break
      kept.set(peer.id, { made, client })
      return client
    },
  }
}

/** That peer is not who the record says it is: nothing is told to it. */
export class WrongPeer extends Error {
  constructor(found: string, wanted: string) {
    super(`another system answers there: its uuid is ${found}, not ${wanted}`)
    this.name = 'WrongPeer'
  }
}

/** Why a peer could not be asked, in our own words; what it said itself is cut to one harmless line by its client. Undefined: our own fault. */
export function peerFailureOf(error: unknown): string | undefined {
  if (error instanceof NetworkError) return reasons[error.code]
  if (error instanceof AuthenticationFailed) return 'it refused the user name and password of the system peer'
  if (error instanceof SiteAnswerRefused || error instanceof PeerRefused || error instanceof WrongPeer) return error.message
  return undefined
}

/** Nobody is there: asking for the next thing would fail in the same way. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof NetworkError && error.code !== 'too-large' && error.code !== 'protocol'

const reasons: Readonly<Record<NetworkErrorCode, string>> = {
  refused: 'it refused the connection',
  timeout: 'it did not answer in time',
  reset: 'it closed the connection',
  dns: 'its address can not be resolved',
  tls: 'its certificate was refused',
  'too-large': 'its answer was too large',
  aborted: 'the question was interrupted',
  protocol: 'it does not speak HTTP',
}
