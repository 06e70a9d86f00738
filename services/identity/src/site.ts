import type { Site } from '@murmuration/site'

/** What of a site this service uses: identity can't ask the site's session or token validator, since they ask identity. */
export type IdentitySite = Pick<Site, 'world' | 'config' | 'keyring' | 'openDatabase'>
