import { openKeyring, type Authority, type Keyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { alone } from './alone.ts'
import { openSiteAuthority, ownAddresses } from './authority.ts'
import { ensureSiteCertificate, whyRenew } from './certificate.ts'
import type { SiteConfig } from './config.ts'

export interface Material {
  readonly keyring: Keyring
  /** Only on a system controller. */
  readonly authority: Authority | undefined
}

/** What a site keeps and proves with: made where it is missing, by one process at a time. */
export async function openMaterial(world: World, config: SiteConfig): Promise<Material> {
  const keyringFile = `${config.varFolder}/keys/keyring.json`
  const open = async (): Promise<Material> => {
    const keyring = await openKeyring(world, keyringFile)
    if (config.role !== 'system-controller') return { keyring, authority: undefined }
    const authority = await openSiteAuthority(world, config)
    await ensureSiteCertificate(world, authority, config.tls, config.name, ownAddresses(config))
    return { keyring, authority }
  }
  const complete = (await world.files.size(keyringFile)) !== undefined && (await hasCertificates(world, config))
  return complete ? open() : alone(world, `${config.varFolder}/first-start.lock`, open)
}

async function hasCertificates(world: World, config: SiteConfig): Promise<boolean> {
  if (config.role !== 'system-controller') return true
  const [root, certificate, key] = await Promise.all([
    world.files.read(`${config.varFolder}/ca/ca.pem`),
    world.files.read(config.tls.certFile),
    world.files.read(config.tls.keyFile),
  ])
  if (root === undefined || certificate === undefined || key === undefined) return false
  return whyRenew({ certificate, key, root: new TextDecoder().decode(root) }, ownAddresses(config), world.clock.nowMs()) === undefined
}
