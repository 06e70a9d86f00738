import type { DcagentClient } from '@murmuration/clients'
import type { Database } from '@murmuration/data'
import type { Serving } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import type { ReferenceData } from '../rules/audit-plan.ts'
import { claimDue, giveBack, putOffUnaudited, type ClaimedSubcloud } from '../store/audits.ts'
import { readPeerAuthorities } from '../store/ownership.ts'
import type { Schema } from '../store/schema.ts'
import { createAgentClient } from './audit-agent.ts'
import { auditOne, type AuditContext } from './audit-one.ts'
import { createAuditReporter } from './audit-reporter.ts'
import type { ControllerFacts } from './controller-facts.ts'
import { createRounds } from './state-rounds.ts'
import { auditTopic } from './topics.ts'

export interface Auditor {
  start(): Promise<void>
  /** Ends the audits under way without a verdict and gives their leases back. */
  stop(): Promise<void>
  wake(): void
  /** Audits under way in this process. */
  readonly running: number
}

/** How long a due audit waits when nobody wakes the loop. */
const pollMs = 1_000
const leastBetweenRoundsMs = 50
const claimMost = 500
/** Beside the deadline of a request: the time for gathering, handing over and applying its report. */
const leaseSlackMs = 20_000
/** Audits do not wait for a controller that is slow to tell about itself; what it did not tell is asked next time. */
const referenceWaitMs = 1_000
/** Certificate authorities of system peers are read again after this. */
const authoritiesKeptMs = 30_000
/** Who requests an audit has often changed the controller just before: what it said longer ago is not compared with. */
const requestedReferenceMs = 1_000

/**
 * Role `audit`: claims due subclouds by lease, asks their agents, hands the results to the state service (reference dcmanager
 * §8.1–§8.3). Any number of these loops, in any number of processes, share the fleet.
 */
export function createAuditor(
  site: Site,
  database: Database<Schema>,
  facts: ControllerFacts,
  options: { readonly agent?: DcagentClient } = {},
): Auditor {
  const { world, config } = site
  const log = world.log.child({ role: 'audit' })
  const agent = options.agent ?? createAgentClient(site)
  const leaseMs = config.audit.requestDeadlineMs + leaseSlackMs
  const orchestrator = (config.services as readonly string[]).includes('dcorch')
  const stopping = new AbortController()
  const reporter = createAuditReporter(site, log)
  /** Lease → audits under way under it. */
  const underWay = new Map<string, number>()
  const settled = new Set<Promise<void>>()
  let running = 0
  let claims = 0
  let backlog = false
  let putOffAtMs = Number.NEGATIVE_INFINITY
  let serving: Serving | undefined

  const rounds = createRounds(world, { name: 'the round of audits', log, everyMs: pollMs, leastMs: leastBetweenRoundsMs, run: round })

  async function round(signal: AbortSignal): Promise<void> {
    await putOff()
    do {
      const limit = Math.min(config.audit.concurrency - running, claimMost)
      if (limit < 1) return
      const claimed = await claim(limit)
      backlog = claimed === limit
    } while (backlog && !signal.aborted)
  }

  async function putOff(): Promise<void> {
    const nowMs = world.clock.monotonicMs()
    if (nowMs - putOffAtMs < config.audit.intervalMs / 2) return
    putOffAtMs = nowMs
    await putOffUnaudited(database, world.clock.nowMs(), config.audit.intervalMs)
  }

  async function claim(limit: number): Promise<number> {
    const lease = `${site.processId}#${++claims}`
    const nowMs = world.clock.nowMs()
    const claimed = await claimDue(database, { lease, nowMs, leaseMs, limit, intervalMs: config.audit.intervalMs })
    if (claimed.length === 0) return 0
    const managed = claimed.filter((subcloud) => subcloud.managementState === 'managed')
    const requested = managed.some((subcloud) => subcloud.requested.length > 0)
    const reference = managed.length > 0 ? await referenceNow(requested ? requestedReferenceMs : undefined) : {}
    const context: AuditContext = {
      agent,
      reference,
      orchestrator,
      lease,
      startedAtMs: nowMs,
      deadlineMs: config.audit.requestDeadlineMs,
      signal: stopping.signal,
      system: await ownSystem(),
      trusted: await trusted(),
      nowMs: () => world.clock.nowMs(),
    }
    underWay.set(lease, claimed.length)
    running += claimed.length
    for (const subcloud of claimed) {
      const audit = one(subcloud, context).finally(() => settled.delete(audit))
      settled.add(audit)
    }
    return claimed.length
  }

  async function referenceNow(maxAgeMs: number | undefined): Promise<ReferenceData> {
    const patience = new AbortController()
    const waited = world.timers.sleep(referenceWaitMs, patience.signal).then(
      () => ({}),
      () => ({}),
    )
    const reference = await Promise.race([facts.reference(maxAgeMs), waited])
    patience.abort()
    return reference
  }

  /** Known since it was asked for the first time; without it only sites that nobody has claimed are audited. */
  async function ownSystem(): Promise<string | undefined> {
    const patience = new AbortController()
    const waited = world.timers.sleep(referenceWaitMs, patience.signal).then(
      () => undefined,
      () => undefined,
    )
    const system = await Promise.race([facts.ownSystem().catch(() => undefined), waited])
    patience.abort()
    return system?.uuid
  }

  let authorities: { readonly pems: readonly string[]; readonly untilMs: number } | undefined
  async function trusted(): Promise<readonly string[]> {
    const nowMs = world.clock.monotonicMs()
    if (authorities === undefined || nowMs >= authorities.untilMs)
      authorities = { pems: await readPeerAuthorities(database), untilMs: nowMs + authoritiesKeptMs }
    return authorities.pems
  }

  async function one(subcloud: ClaimedSubcloud, context: AuditContext): Promise<void> {
    try {
      const report = await auditOne(subcloud, context)
      if ('failure' in report.result) log.debug('an audit failed', { subcloud: subcloud.name, reason: report.result.failure })
      reporter.add(report)
    } catch (error) {
      if (!stopping.signal.aborted) log.error('an audit could not be made; it is made again', { subcloud: subcloud.name, error })
    } finally {
      running -= 1
      const left = (underWay.get(context.lease) ?? 1) - 1
      if (left > 0) underWay.set(context.lease, left)
      else underWay.delete(context.lease)
      if (running === 0) reporter.flush()
      // With more to do than places: claim again when a quarter of them is free, not for every single one.
      if (backlog && running <= config.audit.concurrency * 0.75) rounds.wake()
    }
  }

  return {
    async start() {
      serving = await site.bus.serve(auditTopic, {
        trigger: async ({ audits }) => {
          // Named audits are requested because something has changed at the controller: compare with what is true now.
          if (audits.length > 0) facts.invalidate()
          rounds.wake()
        },
      })
      rounds.start()
    },
    async stop() {
      await serving?.stop()
      await rounds.stop()
      const unfinished = [...underWay.keys()]
      stopping.abort(new Error('the auditor is stopping'))
      await Promise.all(settled)
      await reporter.close()
      await giveBack(database, world, unfinished)
    },
    wake: () => rounds.wake(),
    get running() {
      return running
    },
  }
}
