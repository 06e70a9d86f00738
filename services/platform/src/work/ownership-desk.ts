import { flag, timestamp, type Database } from '@murmuration/data'
import type { Timer, World } from '@murmuration/world'
import { admits, silenceMs, type Owner, type Presented } from '../rules/ownership.ts'
import { clearAlarms, raiseAlarms } from '../store/alarms.ts'
import { noteHeard, noteRefused, ownerOf, readOwnership } from '../store/ownership.ts'
import type { OwnershipRow, Schema } from '../store/schema.ts'

/** What was heard and refused is written down this often at most: an audit must not cost a write. */
const writeEveryMs = 10_000
/** So long after the last refusal the alarm goes: whoever it was has learned it. */
const alarmLastsMs = 3_600_000

/** A former owner that still tries, at the site that it tries to reach. */
const alarm = { alarm_id: '280.021', entity_instance_id: 'ownership' } as const

export interface OwnershipDesk {
  /** Undefined: the request may go on. Otherwise whose site this is. Reads the database, so that a claim counts from its commit on. */
  judge(presented: Presented | undefined): Promise<Owner | undefined>
  /** The owner, and how long it has been silent. */
  show(): Promise<{ readonly row: OwnershipRow; readonly silentMs: number } | undefined>
  start(): void
  /** Writes what is not written yet. */
  stop(): Promise<void>
}

/** The fence of the agent: who may ask, who was heard when, who was refused. */
export function createOwnershipDesk(world: World, database: Database<Schema>): OwnershipDesk {
  const { clock } = world
  const sinceMonotonicMs = clock.monotonicMs()
  /** Under which epoch, and when on the clock that never steps. */
  let heard: { readonly owner: Owner; readonly atMs: number } | undefined
  let unwritten = { heard: false, refusals: 0, presented: undefined as Presented | undefined }
  /** When the alarm was raised last, or found raised at the start; undefined: it is not. */
  let raisedAtMs: number | undefined = sinceMonotonicMs
  let timer: Timer | undefined
  let writing: Promise<void> = Promise.resolve()
  let started = false

  async function write(): Promise<void> {
    const { heard: newlyHeard, refusals, presented } = unwritten
    unwritten = { heard: false, refusals: 0, presented: undefined }
    try {
      if (newlyHeard && heard !== undefined) await noteHeard(database, heard.owner, clock.nowMs())
      if (refusals > 0) {
        await noteRefused(database, presented, refusals, clock.nowMs())
        await raiseAlarms(database, [alarmOf(world, await readOwnership(database), presented)])
        raisedAtMs = clock.monotonicMs()
      } else if (raisedAtMs !== undefined && clock.monotonicMs() - raisedAtMs >= alarmLastsMs) {
        await clearAlarms(database, [alarm])
        raisedAtMs = undefined
      }
    } catch (error) {
      world.log.warn('what was heard of system controllers could not be written down', { error })
    }
  }
  const later = (): void => {
    timer = world.timers.after(writeEveryMs, () => {
      writing = write().finally(() => {
        if (started) later()
      })
    })
  }

  return {
    async judge(presented) {
      const current = ownerOf(await readOwnership(database))
      if (current === undefined) return undefined
      if (admits(current, presented)) {
        heard = { owner: current, atMs: clock.monotonicMs() }
        unwritten.heard = true
        return undefined
      }
      if (unwritten.refusals === 0)
        world.log.warn('a system controller that does not own this site was refused', { ...presented, owner: current.owner })
      unwritten.refusals += 1
      unwritten.presented = presented
      return current
    },
    async show() {
      const row = await readOwnership(database)
      if (row === undefined) return undefined
      const isHeard = heard !== undefined && heard.owner.owner === row.owner && heard.owner.epoch === row.epoch
      const silentMs = silenceMs({
        nowMs: clock.nowMs(),
        monotonicMs: clock.monotonicMs(),
        sinceMonotonicMs,
        lastMonotonicMs: isHeard ? heard?.atMs : undefined,
        writtenAtMs: row.last_heard_at === null ? undefined : Date.parse(`${row.last_heard_at.slice(0, 23)}Z`),
      })
      return { row, silentMs }
    },
    start() {
      started = true
      later()
    },
    async stop() {
      started = false
      timer?.cancel()
      await writing
      if (unwritten.heard || unwritten.refusals > 0) await write()
    },
  }
}

const alarmOf = (world: World, row: OwnershipRow | undefined, presented: Presented | undefined) => ({
  uuid: world.random.uuid(),
  ...alarm,
  entity_type_id: 'system',
  severity: 'minor' as const,
  reason_text: [
    'A system controller that does not manage this site has asked for it:',
    presented === undefined ? 'it does not say who it is;' : `${presented.system} under epoch ${presented.epoch};`,
    row === undefined ? 'nobody manages the site.' : `the site is managed by ${row.owner_name} (${row.owner}) under epoch ${row.epoch}.`,
  ].join(' '),
  alarm_type: 'operational-violation',
  probable_cause: 'out-of-service',
  proposed_repair_action: 'If the refused one should manage this site, migrate the subcloud there; otherwise let it give the subcloud up.',
  service_affecting: flag(false),
  mgmt_affecting: flag(false),
  degrade_affecting: flag(false),
  raised_at: timestamp(world.clock.nowMs()),
})
