import type { Secret } from '@murmuration/trust'
import type { SiteConfig } from '@murmuration/site'

/** What a shell sources to be the administrator of this site; the caller writes it with mode 0600. */
export function openrcText(config: SiteConfig, password: Secret): string {
  const variables = {
    OS_AUTH_URL: config.identity.url,
    OS_IDENTITY_API_VERSION: '3',
    OS_AUTH_TYPE: 'password',
    OS_USERNAME: 'admin',
    OS_PASSWORD: password.reveal(),
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_NAME: 'admin',
    OS_PROJECT_DOMAIN_NAME: 'Default',
    OS_REGION_NAME: config.region,
    OS_INTERFACE: 'internal',
  }
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quoted(value)}\n`)
    .join('')
}

/** Inside single quotes a shell reads everything as it stands but the quote itself. */
const quoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`
