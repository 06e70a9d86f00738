import { timestamp, updateFrom, type Database, type Transaction } from '@murmuration/data'
import type { Expression, ExpressionBuilder, Kysely, SelectQueryBuilder, SqlBool } from 'kysely'
import type { World } from '@murmuration/world'
import { LeaseLost, type JobRow, type JobState, type JobTables } from './job.ts'

/** Names a run: its writes are valid only while the row still carries all three. */
export interface Held {
  readonly id: string
  readonly owner: string
  readonly epoch: number
}

export interface LeaseStore {
  /** What there is to take. One statement that only reads, so that an idle worker costs no more than that a poll. */
  probe(kinds: readonly string[], running: readonly string[]): Promise<{ due: string[]; cancelled: boolean }>
  /** Takes at most `limit` due or expired jobs of a kind under new epochs. */
  claim(kind: string, limit: number, running: readonly string[]): Promise<JobRow[]>
  /** Takes queued jobs that somebody asked to cancel; they need no slot since nothing of them runs. */
  claimCancelled(kinds: readonly string[], limit: number, running: readonly string[]): Promise<JobRow[]>
  /**
   * Renews all in one statement. A row that one of our own transactions has locked is left out, not waited for: else a single
   * slow job would cost all the others their leases.
   */
  renew(ids: readonly string[]): Promise<Pick<JobRow, 'id' | 'lease_epoch'>[]>
  /** Which of these still carry our name. */
  stillOurs(ids: readonly string[]): Promise<Pick<JobRow, 'id' | 'lease_epoch'>[]>
  /** These have lived for long: what their earlier runs died of is over. */
  forgive(ids: readonly string[]): Promise<void>
  cancellations(ids: readonly string[]): Promise<Pick<JobRow, 'id' | 'cancel_reason'>[]>
  /** Of runs that have not ended: an end writes its own last line, which an older one must not follow. */
  writeProgress(lines: readonly { id: string; epoch: number; text: string }[]): Promise<void>
  /** Back to the queue, for this or another worker; nothing when it is not ours any more. */
  release(held: Held, how: { delayMs: number; attempt?: number; error?: string }): Promise<boolean>
  /** Deletes ended jobs that finished before; at most `limit`. Returns how many. */
  sweep(kind: string, olderThanMs: number, limit: number): Promise<number>
}

type PickQuery = SelectQueryBuilder<JobTables, 'jobs', { id: string }>

const ended: readonly JobState[] = ['done', 'failed', 'cancelled']

/**
 * First statement of every transaction of a run: writes its own row, so a newer run either has waited for us or is seen.
 * Throws LeaseLost, which rolls the whole transaction back.
 */
export async function proveLease(
  tx: Transaction<JobTables>,
  world: World,
  held: Held,
  more: { readonly lost_leases?: 0 } = {},
): Promise<void> {
  const { numUpdatedRows } = await tx.query
    .updateTable('jobs')
    .set({ ...more, updated_at: timestamp(world.clock.nowMs()) })
    .where('id', '=', held.id)
    .where('state', '=', 'running')
    .where('lease_owner', '=', held.owner)
    .where('lease_epoch', '=', held.epoch)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new LeaseLost(held.id)
}

/** The statements of a worker. All are set-based, and none holds a lock longer than itself. */
export function createLeaseStore(database: Database<JobTables>, world: World, owner: string, leaseMs: number): LeaseStore {
  const at = (offsetMs: number): string => timestamp(world.clock.nowMs() + offsetMs)

  /**
   * What still runs in this process is not taken by it: its row may look old after a step of the wall clock, and a run that lost
   * its lease meanwhile has to come to its end here before the next one begins.
   */
  const notHere = (eb: ExpressionBuilder<JobTables, 'jobs'>, running: readonly string[]): Expression<SqlBool>[] =>
    running.length > 0 ? [eb('id', 'not in', running)] : []

  /**
   * Due: its time has come, or its lease has run out. A time too far ahead means that the wall clock was set back since: then it
   * is taken at once, for a job that waits a day for its clock is worse than one that starts early. Fencing keeps both safe.
   */
  const takeable = (eb: ExpressionBuilder<JobTables, 'jobs'>, running: readonly string[]): Expression<SqlBool> => {
    const now = at(0)
    const absurd = at(4 * leaseMs)
    return eb.or([
      eb.and([eb('state', '=', 'queued'), eb.or([eb('run_at', '<=', now), eb('updated_at', '>', absurd)]), ...notHere(eb, running)]),
      eb.and([eb('state', '=', 'running'), eb.or([eb('lease_until', '<', now), eb('lease_until', '>', absurd)]), ...notHere(eb, running)]),
    ])
  }

  const unlocked = (picked: PickQuery): PickQuery => (database.engine === 'postgres' ? picked.forUpdate().skipLocked() : picked)

  const ours = (query: Kysely<JobTables>, ids: readonly string[]) =>
    query.selectFrom('jobs').where('id', 'in', ids).where('lease_owner', '=', owner).where('state', '=', 'running')

  /** A claim by update … where id in (picked), which skips rows that another worker is about to take. */
  const take = async (pick: (query: Kysely<JobTables>) => PickQuery): Promise<JobRow[]> => {
    const now = at(0)
    return await database.query
      .with('picked', (query) => unlocked(pick(query as unknown as Kysely<JobTables>)))
      .updateTable('jobs')
      .set((eb) => ({
        state: 'running',
        lease_owner: owner,
        lease_epoch: eb('lease_epoch', '+', 1),
        lease_until: at(leaseMs),
        // Who lets go of a job puts it back to the queue; this one's owner did not.
        lost_leases: eb
          .case()
          .when('state', '=', 'running')
          .then(eb('lost_leases', '+', 1))
          .else(eb.ref('lost_leases'))
          .end(),
        started_at: eb.fn.coalesce('started_at', eb.val(now)),
        updated_at: now,
      }))
      .where('id', 'in', (eb) => eb.selectFrom('picked').select('picked.id'))
      .returningAll()
      .execute()
  }

  return {
    async probe(kinds, running) {
      const isCancelled = (eb: ExpressionBuilder<JobTables, 'jobs'>) =>
        eb.and([eb('state', '=', 'queued'), eb('cancel_requested', '=', 1), ...notHere(eb, running)])
      const rows = await database.query
        .selectFrom('jobs')
        .where('kind', 'in', kinds)
        .where((eb) => eb.or([takeable(eb, running), isCancelled(eb)]))
        .select(['kind', (eb) => eb.case().when(isCancelled(eb)).then(1).else(0).end().as('cancelled')])
        .distinct()
        .execute()
      return {
        due: rows.filter((row) => row.cancelled === 0).map((row) => row.kind),
        cancelled: rows.some((row) => row.cancelled === 1),
      }
    },
    claim: (kind, limit, running) =>
      take((query) =>
        query
          .selectFrom('jobs')
          .where('kind', '=', kind)
          .where((eb) => takeable(eb, running))
          .select('id')
          .orderBy('run_at')
          .orderBy('id')
          .limit(limit),
      ),
    claimCancelled: (kinds, limit, running) =>
      take((query) =>
        query
          .selectFrom('jobs')
          .where('kind', 'in', kinds)
          .where((eb) => eb.and([eb('state', '=', 'queued'), eb('cancel_requested', '=', 1), ...notHere(eb, running)]))
          .select('id')
          .orderBy('run_at')
          .orderBy('id')
          .limit(limit),
      ),
    async renew(ids) {
      return await database.query
        .with('picked', (query) => unlocked(ours(query as unknown as Kysely<JobTables>, ids).select('id')))
        .updateTable('jobs')
        .set({ lease_until: at(leaseMs), updated_at: at(0) })
        .where('id', 'in', (eb) => eb.selectFrom('picked').select('picked.id'))
        .returning(['id', 'lease_epoch'])
        .execute()
    },
    async stillOurs(ids) {
      return await ours(database.query, ids).select(['id', 'lease_epoch']).execute()
    },
    async forgive(ids) {
      await database.query
        .updateTable('jobs')
        .set({ lost_leases: 0 })
        .where('id', 'in', ids)
        .where('lease_owner', '=', owner)
        .where('state', '=', 'running')
        .execute()
    },
    async cancellations(ids) {
      return await database.query
        .selectFrom('jobs')
        .select(['id', 'cancel_reason'])
        .where('id', 'in', ids)
        .where('cancel_requested', '=', 1)
        .execute()
    },
    async writeProgress(lines) {
      await updateFrom(
        database,
        'jobs',
        ['id', 'lease_epoch', 'state'],
        lines.map((line) => ({ id: line.id, lease_epoch: line.epoch, state: 'running', progress: line.text })),
      )
    },
    async release(held, how) {
      const { numUpdatedRows } = await database.query
        .updateTable('jobs')
        .set({
          state: 'queued',
          lease_owner: null,
          lease_until: null,
          lost_leases: 0,
          run_at: at(how.delayMs),
          updated_at: at(0),
          ...(how.attempt === undefined ? {} : { attempt: how.attempt }),
          ...(how.error === undefined ? {} : { error: how.error }),
        })
        .where('id', '=', held.id)
        .where('state', '=', 'running')
        .where('lease_owner', '=', held.owner)
        .where('lease_epoch', '=', held.epoch)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async sweep(kind, olderThanMs, limit) {
      const { numDeletedRows } = await database.query
        .deleteFrom('jobs')
        .where('id', 'in', (eb) =>
          eb
            .selectFrom('jobs')
            .select('id')
            .where('kind', '=', kind)
            .where('state', 'in', ended)
            .where('finished_at', '<', at(-olderThanMs))
            .orderBy('finished_at')
            .limit(limit),
        )
        .executeTakeFirst()
      return Number(numDeletedRows)
    },
  }
}
