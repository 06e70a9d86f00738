import { json, type Transaction } from '@murmuration/data'
import { defineJob, TerminalError, type JobContext, type JobKind, type JobOutcome } from '@murmuration/jobs'
import type { World } from '@murmuration/world'
import { noError } from '../rules/error-description.ts'
import type { RehomeInput } from '../rules/operations.ts'
import { witnessRefusal } from '../rules/ownership.ts'
import { auditNames } from '../rules/audit-plan.ts'
import { requestAudits } from '../store/audits.ts'
import { moveMembers } from '../store/migration-members.ts'
import type { Schema } from '../store/schema.ts'
import { readSubcloud, updateSubcloud } from '../store/subclouds.ts'
import { operationsAtOnce, retryOfFaults, withoutRetry } from './deploy.ts'
import { moveStatus, ownSystem, subcloudOf, sysadminPasswordOf, type OperationParts } from './operations.ts'
import { longestErrorDescription, PlaybookFailed } from './playbooks/failure.ts'
import type { RehomePeers } from './rehome-peers.ts'
import { settleSubcloud } from './settle.ts'
import { bootstrapAddressOf, readOwner, readySite, runRehome } from './site-runs.ts'

type RehomeContext = JobContext<RehomeInput>
export interface RehomeParts extends OperationParts {
  readonly rehomePeers: RehomePeers
}

/** The subcloud is left to whoever manages it; the text says why and becomes the error_description of the standby copy. */
export class LeftToItsController extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LeftToItsController'
  }
}

/** So a playbook proves whose site it is, in a task or in a part of one; its failure means that another controller was first. */
const claimTask = 'claim the site for this system controller'
const lostTheRace = (error: unknown): boolean =>
  error instanceof PlaybookFailed &&
  error.failure.task !== undefined &&
  [error.failure.task, error.failure.message].some((text) => text.startsWith(claimTask))

/**
 * Takes one subcloud over (reference dcmanager §7.9 step 4 a and b): peers that still have it give it up, the site says who manages it
 * under which epoch, and a playbook claims the next epoch and brings the site under this controller. What the site said is recorded,
 * so that a run that was interrupted claims the same epoch again and no later one.
 */
export const rehomeKind = (parts: RehomeParts): JobKind<RehomeInput, { readonly epoch: number }> =>
  defineJob<RehomeInput, { readonly epoch: number }>({
    name: 'subcloud.rehome',
    concurrency: operationsAtOnce,
    retentionMs: 90 * 24 * 3_600_000,
    retry: retryOfFaults,
    run: (context) => rehome(parts, context),
    settle(tx: Transaction<Schema>, job, outcome, world) {
      return settleRehome(tx, world, json.read<RehomeInput>(job.input as never), outcome)
    },
  })

async function rehome(parts: RehomeParts, context: RehomeContext): Promise<{ readonly epoch: number }> {
  const { subcloudId } = context.input
  let epoch = 0
  await withoutRetry(async () => {
    try {
      await context.step('rehome.begin', () =>
        moveStatus(parts, context, ['pre-rehome', 'not-deployed'], 'pre-rehome', { error_description: noError }),
      )
      await context.step('rehome.give-up', () => giveUpElsewhere(parts, context))
      epoch = (await context.step('rehome.ownership', () => nextEpoch(parts, context))).epoch
      await context.step('rehome.prepare', async () => {
        context.progress('rehome: certificate and passwords')
        await readySite(parts, await subcloudOf(parts, subcloudId))
      })
      await context.step('rehome.playing', () => moveStatus(parts, context, ['pre-rehome'], 'rehoming'))
      await context.step('rehome.run', async () => {
        const row = await subcloudOf(parts, subcloudId)
        await runRehome(parts, context, row, { epoch, sysadminPassword: passwordOf(parts, context) })
      })
    } catch (error) {
      if (lostTheRace(error)) throw new LeftToItsController((error as PlaybookFailed).message)
      throw error
    }
  }).catch((error: unknown) => {
    if (error instanceof LeftToItsController) throw new TerminalError(error.message, { cause: error })
    throw error
  })
  return { epoch }
}

const passwordOf = (parts: RehomeParts, { input }: RehomeContext) => sysadminPasswordOf(parts, input.subcloudId, input.sysadminPassword)

/** A peer that says no keeps the subcloud; one that can't be reached is why there are takeovers (reference §7.9 step 4a). */
async function giveUpElsewhere(parts: RehomeParts, context: RehomeContext): Promise<void> {
  const { subcloudId, peerGroupId } = context.input
  if (peerGroupId === null) return
  context.progress('rehome: the other site gives it up')
  const { region_name: region } = await subcloudOf(parts, subcloudId)
  const refusal = await parts.rehomePeers.giveUp(peerGroupId, region, context.signal)
  if (refusal !== undefined) throw new LeftToItsController(refusal)
}

async function nextEpoch(parts: RehomeParts, context: RehomeContext): Promise<{ readonly epoch: number }> {
  const row = await subcloudOf(parts, context.input.subcloudId)
  bootstrapAddressOf(row)
  // A foreign folder of playbooks knows nothing of epochs, and neither do the sites that it makes.
  if (!parts.claimsSites) return { epoch: row.owner_epoch + 1 }
  context.progress('rehome: who manages the site')
  const seen = await readOwner(parts, context, row, passwordOf(parts, context))
  if (context.input.witnessed) {
    const { uuid: system } = await ownSystem(parts, context.signal)
    const refusal = witnessRefusal(seen, { system, auditIntervalMs: parts.site.config.audit.intervalMs })
    if (refusal !== undefined) throw new LeftToItsController(refusal)
  }
  return { epoch: seen.epoch + 1 }
}

/** The end of a takeover in one transaction: the row, its member of the migration, and the audit that will find it online. */
async function settleRehome(
  tx: Transaction<Schema>,
  world: World,
  { subcloudId, peerGroupId }: RehomeInput,
  outcome: JobOutcome<{ readonly epoch: number }>,
): Promise<void> {
  const report = async (state: 'rehomed' | 'failed' | 'refused', reason: string | null = null): Promise<void> => {
    if (peerGroupId !== null) await moveMembers(tx, world, peerGroupId, [subcloudId], ['waiting', 'rehoming'], state, reason)
  }
  if (outcome.state === 'done' && outcome.output !== undefined) {
    const taken = {
      deploy_status: 'complete',
      rehomed: 1,
      initial_deployment: 0,
      owner_epoch: outcome.output.epoch,
      fenced_by: null,
      error_description: noError,
    } as const
    if ((await updateSubcloud(tx, world, subcloudId, taken, { deployStatus: 'rehoming' })) !== undefined) {
      await requestAudits(tx, world, { audits: auditNames, subcloudIds: [subcloudId] })
      return report('rehomed')
    }
  }
  // One that was never a standby copy here does not become one.
  const left = peerGroupId === null ? undefined : leftToOf(outcome.error)
  const back = left === undefined ? undefined : { deploy_status: 'secondary' as const, error_description: left }
  if (back !== undefined && (await updateSubcloud(tx, world, subcloudId, back, { deployStatus: ['pre-rehome', 'rehoming'] })) !== undefined)
    return report('refused', left)
  await settleSubcloud(tx, world, subcloudId, outcome)
  await report('failed', (await readSubcloud(tx, subcloudId))?.error_description ?? 'the subcloud is gone')
}

function leftToOf(error: unknown): string | undefined {
  const cause = error instanceof Error && error.name === 'TerminalError' && error.cause !== undefined ? error.cause : error
  return cause instanceof LeftToItsController ? cause.message.slice(0, longestErrorDescription) : undefined
}
