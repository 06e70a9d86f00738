/** A site is one running set of services: its configuration, and what every service gets from it. */
export type { SiteConfig, ServiceName, RoleName } from './config.ts'
export {
  loadSiteConfig,
  checkSiteConfig,
  SiteConfigInvalid,
  databaseUrlOf,
  policyFileOf,
  siteOptions,
  type EffectiveValue,
} from './config.ts'
export type { Site, Service, ServiceApp } from './site.ts'
export { alone } from './alone.ts'
export { keyringPollMs, openSite } from './open.ts'
