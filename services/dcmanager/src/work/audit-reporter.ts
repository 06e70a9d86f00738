import type { Site } from '@murmuration/site'
import type { Log, Timer } from '@murmuration/world'
import type { AuditReport } from '../rules/audit-report.ts'
import { stateTopic } from './topics.ts'

/** Results are gathered for this long at most (reference dcmanager §8.1), or until a message is full. */
const windowMs = 2_000
const reportsMost = 500
/** Beyond this the state service is not taking them: the oldest are dropped, and come again with the next audits. */
const waitingMost = 5_000

export interface AuditReporter {
  add(report: AuditReport): void
  /** Sends what there is. */
  flush(): void
  close(): Promise<void>
}

/** Gathers audit results and hands them to the state service, one message for many. */
export function createAuditReporter({ world, bus }: Site, log: Log): AuditReporter {
  const state = bus.client(stateTopic)
  let waiting: AuditReport[] = []
  let timer: Timer | undefined
  let sending: Promise<void> | undefined

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const reports = waiting.slice(0, reportsMost)
      waiting = waiting.slice(reportsMost)
      try {
        await state.report({ reports })
      } catch (error) {
        log.warn('audit reports could not be handed over; their subclouds are audited again', { reports: reports.length, error })
      }
    }
  }

  function flush(): void {
    timer?.cancel()
    timer = undefined
    sending ??= sendAll().finally(() => (sending = undefined))
  }

  return {
    add(report) {
      if (waiting.length >= waitingMost) waiting.shift()
      waiting.push(report)
      if (waiting.length >= reportsMost) flush()
      else timer ??= world.timers.after(windowMs, flush)
    },
    flush,
    async close() {
      flush()
      await sending
    },
  }
}
