import { errors } from '../errors.ts'
import type { ApiContext } from './context.ts'

/** The release's image and its signature must lie in the vault before an installation is accepted (reference dcmanager §1.8, §4.1). */
export async function requireInstallImage(context: ApiContext, release: string): Promise<void> {
  const { world, config } = context.site
  const names = await world.files.list(`${config.varFolder}/vault/software/${release}`)
  const missing = ['.iso', '.sig'].filter((ending) => !names.some((name) => name.endsWith(ending)))
  if (missing.length > 0)
    throw errors.imageMissing({
      why: `The installation image of release ${release} is not complete in the vault (missing: ${missing.join(', ')}): put the .iso and its .sig into vault/software/${release}`,
    })
}
