import { createAuthority, openAuthority, type Authority } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { SiteConfig } from './config.ts'

/**
 * The controller's certificate authority in `<var>/ca`, made at the first start. Its key is read when the first certificate
 * is made: most starts make none, and the means for it would cost a tenth of a second and its memory.
 */
export async function openSiteAuthority(world: World, config: SiteConfig): Promise<Authority> {
  const folder = `${config.varFolder}/ca`
  const bytes = await world.files.read(`${folder}/ca.pem`)
  const made = bytes === undefined ? await createAuthority(world, folder, `${config.name.slice(0, 48)} authority`) : undefined
  const certificate = made?.certificate ?? new TextDecoder().decode(bytes)
  // TLS reads the configured file; where that is another place, it gets a copy.
  if ((await world.files.read(config.tls.caFile)) === undefined) await world.files.write(config.tls.caFile, certificate, { mode: 0o644 })

  let opening: Promise<Authority> | undefined = made === undefined ? undefined : Promise.resolve(made)
  const open = async (): Promise<Authority> => {
    const opened = await openAuthority(world, folder)
    if (opened === undefined) throw new Error(`the authority in ${folder} is gone: restore ca.pem and ca.key from a backup`)
    return opened
  }
  return {
    certificate,
    async issue(subject) {
      opening ??= open()
      try {
        return await (await opening).issue(subject)
      } catch (error) {
        // A file that was put right again needs no restart.
        opening = undefined
        throw error
      }
    },
  }
}

/** Under which addresses other sites reach this one. */
export const ownAddresses = ({ address, networks }: SiteConfig): string[] => [
  ...new Set([address, networks.management.start, networks.management.floating, networks.oam.floating]),
]
