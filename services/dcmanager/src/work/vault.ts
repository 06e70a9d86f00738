import type { Site } from '@murmuration/site'
import { createDeployFiles } from './deploy-files.ts'
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

export interface UploadedDeploy {
  readonly playbook: string
  readonly chart: string | undefined
  readonly overrides: string | undefined
}

/** Paths of what was uploaded for a release (reference §1.9); undefined without a playbook. */
export async function uploadedDeployFiles(site: Site, version: string): Promise<UploadedDeploy | undefined> {
  const files = createDeployFiles(site.world, site.config.varFolder)
  const playbook = await files.path(version, 'deploy_playbook')
  if (playbook === undefined) return undefined
  return { playbook, chart: await files.path(version, 'deploy_chart'), overrides: await files.path(version, 'deploy_overrides') }
}
