import type { JobContext } from '@murmuration/jobs'
import { JobCancelled } from '@murmuration/jobs'
import type { Database, Transaction } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import type { Sealed } from '@murmuration/trust'
import { Secret } from '@murmuration/trust'
import type { BackupStatus } from '../rules/backup-status.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { Schema } from '../store/schema.ts'
import { readDocuments, type DocumentKind } from '../store/documents.ts'
import { readSubcloud, updateSubcloud, type SubcloudColumns, type SubcloudRow } from '../store/subclouds.ts'
import type { PlaybookRun, PlaybookRunner } from './playbooks/run-playbook.ts'
import type { ControllerFacts, OwnSystem } from './controller-facts.ts'
import { inventoryHostOf } from './inventory.ts'
import type { Values } from './overrides.ts'

/** What every operation on a subcloud works with. */
export interface OperationParts {
  readonly site: Site
  readonly database: Database<Schema>
  readonly playbooks: PlaybookRunner
  readonly facts: Pick<ControllerFacts, 'ownSystem'>
  /** True when secrets must stand in files because the playbooks in use read them by themselves. */
  readonly secretsInFiles: boolean
  /** Why a subcloud is not in good health; rejects when it can't be asked. */
  readonly healthProblems: (row: SubcloudRow) => Promise<readonly string[]>
  /** True when the playbooks in use claim sites for their controller (tasks/ownership.yml). */
  readonly claimsSites: boolean
}

/** The subcloud is no longer as this operation left it: somebody ended the operation, or it was deleted. */
export class StatusMoved extends Error {
  constructor(id: number, found: string | undefined, wanted: readonly (DeployStatus | BackupStatus)[]) {
    super(`subcloud ${id} is ${found ?? 'gone'}, and not ${wanted.join(' or ')} as this operation had left it`)
    this.name = 'StatusMoved'
  }
}

/** What is missing or wrong can be mended by the operator; the text says how and becomes the error_description. */
export class OperationRefused extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'OperationRefused'
  }
}

/** Moves the deploy status under the job's lease. Fine when it has been moved already: the step's record was lost in a crash. */
export async function moveStatus(
  parts: OperationParts,
  context: JobContext<{ readonly subcloudId: number }>,
  from: readonly DeployStatus[],
  to: DeployStatus,
  columns: SubcloudColumns = {},
): Promise<void> {
  const id = context.input.subcloudId
  await context.transaction(async (tx: Transaction<Schema>) => {
    const row = await updateSubcloud(tx, parts.site.world, id, { ...columns, deploy_status: to }, { deployStatus: from })
    if (row !== undefined) return
    const found = await readSubcloud(tx, id)
    if (found?.deploy_status !== to) throw new StatusMoved(id, found?.deploy_status, from)
  })
}

export async function subcloudOf(parts: OperationParts, id: number): Promise<SubcloudRow> {
  const row = await readSubcloud(parts.database, id)
  if (row === undefined) throw new StatusMoved(id, undefined, [])
  return row
}

const systemAttempts = 20
const systemPauseMs = 3_000

/** Which system this controller is. Where it has never been asked before, an operation waits for the platform service a while. */
export async function ownSystem(parts: OperationParts, signal: AbortSignal): Promise<OwnSystem> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await parts.facts.ownSystem()
    } catch (error) {
      if (attempt >= systemAttempts) throw error
      await parts.site.world.timers.sleep(systemPauseMs, signal)
    }
}

/** A document as a map; empty when there is none. */
export async function valuesOf(parts: OperationParts, id: number, kind: DocumentKind): Promise<Values> {
  const value = (await readDocuments(parts.database, parts.site.keyring, id, [kind]))[kind]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : {}
}

export const sysadminPasswordOf = (parts: OperationParts, id: number, sealed: Sealed | undefined): Secret | undefined =>
  sealed === undefined ? undefined : parts.site.keyring.open(sealed, `subcloud:${id}:sysadmin_password`)

type Given = Pick<
  PlaybookRun,
  'stage' | 'files' | 'texts' | 'variables' | 'secrets' | 'deadlineMs' | 'connectTimeoutSeconds' | 'prompt' | 'results'
> & {
  /** Name in the folder of playbooks, or an absolute path. */
  readonly playbook: string
}

/** Runs a playbook for the subcloud as a part of the job; resolves to its results. */
export async function playbook(
  parts: OperationParts,
  context: JobContext<unknown>,
  row: Pick<SubcloudRow, 'id' | 'name'>,
  run: Given,
): Promise<Readonly<Record<string, string>>> {
  return parts.playbooks.run({
    ...run,
    playbook: run.playbook.startsWith('/') ? run.playbook : `${parts.site.config.playbooksFolder}/${run.playbook}`,
    jobId: context.id,
    epoch: context.epoch,
    subcloudId: row.id,
    host: inventoryHostOf(row),
    name: row.name,
    signal: context.signal,
    abortWaits: (reason) => reason instanceof JobCancelled,
    progress: (text) => context.progress(text),
  })
}
