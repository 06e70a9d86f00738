import type { Database } from '@murmuration/data'
import { createWorker } from '@murmuration/jobs'
import type { Serving } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import type { Timer } from '@murmuration/world'
import type { Schema } from '../store/schema.ts'
import { resealVault } from './credentials.ts'
import { createControllerFacts, type ControllerFacts } from './controller-facts.ts'
import { backupKind } from './backup.ts'
import { deleteBackupKind } from './delete-backup.ts'
import { deleteKind } from './delete.ts'
import { deployKinds, operationsAtOnce, promptSlots } from './deploy.ts'
import type { OperationParts } from './operations.ts'
import { createPlaybookSlots } from './playbooks/slots.ts'
import { restoreKind } from './restore.ts'
import { healthProblems } from './site-health.ts'
import { createPlaybookRunner } from './playbooks/run-playbook.ts'
import { findSiteKind } from './find-site.ts'
import { migrateKind, migrationLimits } from './migrate.ts'
import { reconfigureNetworkKind } from './reconfigure-network.ts'
import { rehomeKind, type RehomeParts } from './rehome.ts'
import { noPeers, type RehomePeers } from './rehome-peers.ts'
import { repair } from './repair.ts'
import { managerTopic } from './topics.ts'

const repairEveryMs = 30_000
/** An abort may wait 600 s for its playbook's leave, then for the processes' end and the server's power (reference dcmanager §4.2). */
const longestAbortMs = 700_000

/** The role `manager`: runs the operations, and puts in order what was left behind. */
export interface Manager {
  start(): Promise<void>
  /** Ends running playbooks and gives their jobs back: another manager, or the next start, goes on with them. */
  stop(): Promise<void>
  /** There may be work. Any number of times. */
  wake(): void
}

export interface ManagerOptions {
  /** How the health of a subcloud is asked for; default: its own platform service. */
  readonly healthProblems?: OperationParts['healthProblems']
  /** The other system controllers, for takeovers; default: there are none. */
  readonly rehomePeers?: RehomePeers
}

export function createManager(
  site: Site,
  database: Database<Schema>,
  facts: Pick<ControllerFacts, 'ownSystem'> = createControllerFacts(site),
  options: ManagerOptions = {},
): Manager {
  const { world, config } = site
  const stopping = new AbortController()
  const parts: RehomeParts & { secretsInFiles: boolean; claimsSites: boolean } = {
    site,
    database,
    facts,
    rehomePeers: options.rehomePeers ?? noPeers,
    playbooks: createPlaybookRunner(world, {
      varFolder: config.varFolder,
      playbooksFolder: config.playbooksFolder,
      sshKeyFile: config.playbooks.sshKeyFile,
      stopping: stopping.signal,
      slots: createPlaybookSlots({ most: config.playbooks.processes, reserved: promptSlots.slots }),
    }),
    secretsInFiles: true,
    healthProblems: options.healthProblems ?? ((row) => healthProblems(site, row)),
    claimsSites: false,
  }
  const deployments = [...deployKinds(parts), reconfigureNetworkKind(parts), rehomeKind(parts)]
  const backups = [backupKind(parts), deleteBackupKind(parts), restoreKind(parts)]
  const worker = createWorker({
    world,
    database,
    owner: site.processId,
    graceMs: longestAbortMs,
    maxRunning: operationsAtOnce + migrationLimits.groupsAtOnce + backups.reduce((sum, kind) => sum + kind.concurrency, 0),
    reserved: promptSlots,
    // Backups have limits of their own, by kind; together with them the playbooks have one (playbooks.processes).
    together: {
      kinds: deployments.map((kind) => kind.name).filter((name) => !(promptSlots.kinds as string[]).includes(name)),
      slots: operationsAtOnce - promptSlots.slots,
    },
    kinds: [...deployments, deleteKind(parts), ...backups, migrateKind(parts), findSiteKind(parts)],
  })
  let timer: Timer | undefined
  let repairing: Promise<void> = Promise.resolve()
  let serving: Serving | undefined

  const repairNow = async (): Promise<void> => {
    try {
      await repair(site, database)
    } catch (error) {
      world.log.error('the repair sweep failed; it comes again', { error })
    }
  }
  /** A vault that can't be sealed anew is still a vault: its owner learns of it, and operations go on. */
  const resealNow = async (): Promise<void> => {
    try {
      await resealVault(site)
    } catch (error) {
      world.log.error('the vault could not be sealed with the newest key', { error })
    }
  }
  const repairLater = (): void => {
    timer = world.timers.after(repairEveryMs, () => {
      repairing = repairAgain()
    })
  }
  const repairAgain = async (): Promise<void> => {
    await repairNow()
    if (!stopping.signal.aborted) repairLater()
  }

  return {
    async start() {
      const manifest = await readManifest(site)
      parts.secretsInFiles = manifest.secretsFrom !== 'environment'
      parts.claimsSites = manifest.claimsSites === true
      await repairNow()
      await resealNow()
      serving = await site.bus.serve(managerTopic, { wake: async () => worker.wake() })
      worker.start()
      repairLater()
    },
    async stop() {
      stopping.abort()
      timer?.cancel()
      await serving?.stop()
      await worker.stop()
      await repairing
    },
    wake: () => worker.wake(),
  }
}

/** What our playbooks say of themselves in a file of their folder; foreign ones say nothing, and get what they always got. */
async function readManifest(site: Site): Promise<{ readonly secretsFrom?: unknown; readonly claimsSites?: unknown }> {
  const data = await site.world.files.read(`${site.config.playbooksFolder}/murmuration.json`)
  return data === undefined ? {} : (JSON.parse(new TextDecoder().decode(data)) as { readonly secretsFrom?: unknown })
}
