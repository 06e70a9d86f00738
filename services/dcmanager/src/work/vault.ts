import type { Site } from '@murmuration/site'
import { OperationRefused } from './operations.ts'

const release = /^\d{2}\.\d{2}$/

/** The image of a release and its signature: both must lie in `<var>/vault/software/<release>` (reference dcmanager §4.1). */
export async function installImage(site: Site, version: string): Promise<string> {
  const folder = `${site.config.varFolder}/vault/software/${version}`
  const names = release.test(version) ? await site.world.files.list(folder) : []
  const image = names.find((name) => name.endsWith('.iso'))
  if (image === undefined || !names.some((name) => name.endsWith('.sig')))
    throw new OperationRefused(
      `The image of release ${version} and its signature are not in the vault: put the .iso and the .sig into ${folder}.`,
    )
  return `${folder}/${image}`
}

export interface DeployFiles {
  readonly playbook: string
  readonly chart: string | undefined
  readonly overrides: string | undefined
}

/** What was uploaded for a release (`<option>_<original name>`, reference §1.9); undefined without a playbook. */
export async function uploadedDeployFiles(site: Site, version: string): Promise<DeployFiles | undefined> {
  const folder = `${site.config.varFolder}/deploy/${version}`
  const names = release.test(version) ? await site.world.files.list(folder) : []
  const file = (option: string): string | undefined => {
    const name = names.find((candidate) => candidate.startsWith(`${option}_`))
    return name === undefined ? undefined : `${folder}/${name}`
  }
  const playbook = file('deploy_playbook')
  return playbook === undefined ? undefined : { playbook, chart: file('deploy_chart'), overrides: file('deploy_overrides') }
}
