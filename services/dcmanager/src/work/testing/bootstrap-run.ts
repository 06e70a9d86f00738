import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import { subcloudAdminPassword, subcloudCertificate, servicePassword } from '../credentials.ts'
import { inventoryHostOf, inventoryOf } from '../inventory.ts'
import { murmurCommandOf, siteFolderOf } from '../murmur-command.ts'
import { bootstrapOverrides, type ManagementNetwork, type Values } from '../overrides.ts'
import { createPlaybookRunner } from '../playbooks/run-playbook.ts'
import type { SubcloudRow } from '../../store/subclouds.ts'
import { testSystem } from './test-site.ts'

export interface TestRun {
  readonly row: SubcloudRow
  readonly values: Values
  readonly siteFolder: string
  readonly jobId: string
  readonly progress: string[]
  start(changes?: {
    values?: Values
    /** The network to be at; default the row's. */
    network?: ManagementNetwork
    playbook?: string
    texts?: Record<string, string>
    variables?: (folder: string) => Record<string, string | number>
    /** Result files that the playbook writes. */
    results?: readonly string[]
    /** As a takeover, which leaves the admin of the site alone. */
    withoutAdmin?: boolean
  }): Promise<Readonly<Record<string, unknown>>>
  /** What the fake `murmur` was asked. */
  calls(): Promise<Record<string, unknown>[]>
  stopSite(): Promise<void>
}

/** The shipped bootstrap, run as the job runs it but without a job. */
export async function bootstrapRun(site: Site, row: SubcloudRow, values: Values): Promise<TestRun> {
  const { config, world } = site
  const runner = createPlaybookRunner(world, {
    varFolder: config.varFolder,
    playbooksFolder: config.playbooksFolder,
    sshKeyFile: config.playbooks.sshKeyFile,
  })
  const siteFolder = siteFolderOf(config, row)
  const progress: string[] = []
  // Remembered, because the folder may be gone by the time the test cleans up.
  const pids = new Set<number>()
  let epoch = 0
  return {
    row,
    values,
    siteFolder,
    jobId: 'job-1',
    progress,
    async start(changes = {}) {
      const used = changes.values ?? values
      const network = changes.network ?? row
      const certificate = await subcloudCertificate(site, row, network, used)
      epoch += 1
      const results = await runner.run({
        jobId: 'job-1',
        epoch,
        subcloudId: row.id,
        host: inventoryHostOf(row),
        name: row.name,
        stage: 'bootstrapping',
        playbook: `${config.playbooksFolder}/${changes.playbook ?? 'bootstrap.yml'}`,
        files: {
          'inventory.yml': inventoryOf(config, row, row.bootstrap_address ?? ''),
          [`${inventoryHostOf(row)}.yml`]: bootstrapOverrides(config, row, network, used, {
            authority: site.authority!.certificate,
            certificate: certificate.certificate,
          }),
        },
        texts: changes.texts ?? {},
        results: changes.results ?? [],
        variables: (folder) => ({
          override_files_dir: folder,
          region_name: row.region_name,
          install_release_version: row.software_version,
          site_folder: siteFolder,
          murmur_command: murmurCommandOf(config),
          site_owner: testSystem.uuid,
          site_owner_name: testSystem.name,
          site_owner_epoch: 1,
          ...changes.variables?.(folder),
        }),
        secrets: {
          ...(changes.withoutAdmin === true ? {} : { SUBCLOUD_ADMIN_PASSWORD: await subcloudAdminPassword(site, row, used) }),
          SUBCLOUD_SERVICE_PASSWORD: await servicePassword(site),
          SUBCLOUD_PRIVATE_KEY: certificate.privateKey,
          SUBCLOUD_SYSADMIN_PASSWORD: new Secret('sysadmin-secret'),
        },
        // A machine that runs other suites beside this one is slow.
        deadlineMs: 300_000,
        signal: new AbortController().signal,
        abortWaits: () => false,
        progress: (text) => progress.push(text),
      })
      const pid = await processOf(siteFolder)
      if (pid !== undefined) pids.add(pid)
      return results
    },
    async calls() {
      const text = await readFile(join(siteFolder, 'calls.jsonl'), 'utf8')
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    },
    async stopSite() {
      for (const pid of pids) {
        try {
          process.kill(pid)
        } catch {
          // It has ended by itself, or by the next start.
        }
      }
    },
  }
}

/** The real program writes an object, the fake one a number. */
async function processOf(siteFolder: string): Promise<number | undefined> {
  const text = await readFile(join(siteFolder, 'var/murmur.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const value = JSON.parse(text) as number | { pid: number }
  return typeof value === 'number' ? value : value.pid
}
