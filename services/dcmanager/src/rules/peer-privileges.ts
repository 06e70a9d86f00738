import type { Identity } from '@murmuration/http'

/** What a peer's dcmanager calls itself. Exactly this one has a meaning (reference dcmanager §1.3). */
export const peerUserAgent = 'dcmanager/1.0'

type Claimant = Pick<Identity, 'userName' | 'userDomainId' | 'projectName' | 'roles'>

/**
 * Whether a request may be a peer's: it says so, and its account may change what the original lets peers change. In the original the
 * User-Agent was all; here it grants nothing of itself: the account must be the one that a system peer's record names besides (§13 row 25).
 */
export const mayBePeer = (userAgent: string | undefined, identity: Claimant): boolean =>
  userAgent === peerUserAgent &&
  identity.userDomainId === 'default' &&
  (identity.projectName === 'admin' || identity.projectName === 'services') &&
  (identity.roles.includes('admin') || identity.roles.includes('configurator'))
