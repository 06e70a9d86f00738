import { defineJob, type JobKind } from '@murmuration/jobs'
import { readFoundSites, siteAt, type FoundSite } from '../rules/found-sites.ts'
import { findSiteContext, type FindSiteInput } from '../rules/operations.ts'
import { withoutRetry } from './deploy.ts'
import { inventoryOf } from './inventory.ts'
import { OperationRefused, playbook, type OperationParts } from './operations.ts'

/** Reference dcmanager §1.7: a host that does not answer is told at once. */
const connectTimeoutSeconds = 5
/** A caller waits for it. */
const deadlineMs = 60_000
const resultName = 'sites.json'

/** Asks a host which site it is; a caller waits for the outcome. Nothing is changed, there or here. */
export const findSiteKind = (parts: OperationParts): JobKind<FindSiteInput, FoundSite> =>
  defineJob<FindSiteInput, FoundSite>({
    name: 'host.find-site',
    concurrency: 4,
    retentionMs: 3_600_000,
    retry: { attempts: 1, baseMs: 0, capMs: 0 },
    async run(context) {
      let found: FoundSite | undefined
      await withoutRetry(async () => {
        found = await findSite(parts, context)
      })
      return found!
    },
  })

async function findSite(parts: OperationParts, context: Parameters<JobKind<FindSiteInput, FoundSite>['run']>[0]): Promise<FoundSite> {
  const { bootstrapAddress, siteAddress, sysadminPassword } = context.input
  const { config, keyring } = parts.site
  const row = { id: lockOf(context.id), name: `host-${bootstrapAddress}`, initial_deployment: 0 } as const
  const results = await playbook(parts, context, row, {
    stage: 'rehoming',
    prompt: true,
    playbook: 'find_site.yml',
    files: { 'inventory.yml': inventoryOf(config, row, bootstrapAddress) },
    variables: (folder) => ({ override_files_dir: folder, sites_folder: config.playbooks.sitesFolder }),
    secrets: { SUBCLOUD_SYSADMIN_PASSWORD: keyring.open(sysadminPassword, findSiteContext(bootstrapAddress)) },
    results: [resultName],
    connectTimeoutSeconds,
    deadlineMs,
  })
  const site = siteAt(readFoundSites(parsed(results[resultName])), siteAddress)
  if (typeof site === 'string') throw new OperationRefused(site)
  return site
}

/** Looks do not wait for each other: a number that no subcloud has, and hardly another look. */
const lockOf = (jobId: string): number => -1 - (Number.parseInt(jobId.replaceAll(/[^0-9a-f]/g, '').slice(-7) || '0', 16) || 0)

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
