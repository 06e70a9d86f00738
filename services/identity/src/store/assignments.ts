import { flag } from '@murmuration/data'
import type { AssignmentRow, Db } from './schema.ts'
import { limits } from '../rules/limits.ts'

export interface AssignmentFilter {
  readonly actorType?: 'user' | 'group'
  readonly actorIds?: readonly string[]
  readonly targetType?: 'project' | 'domain' | 'system'
  readonly targetIds?: readonly string[]
  readonly roleId?: string
  readonly inherited?: boolean
}

export function listAssignments(db: Db, filter: AssignmentFilter): Promise<AssignmentRow[]> {
  let query = db.query.selectFrom('assignments').selectAll()
  if (filter.actorType !== undefined) query = query.where('actor_type', '=', filter.actorType)
  if (filter.actorIds !== undefined) query = query.where('actor_id', 'in', filter.actorIds.length === 0 ? [''] : filter.actorIds)
  if (filter.targetType !== undefined) query = query.where('target_type', '=', filter.targetType)
  if (filter.targetIds !== undefined) query = query.where('target_id', 'in', filter.targetIds.length === 0 ? [''] : filter.targetIds)
  if (filter.roleId !== undefined) query = query.where('role_id', '=', filter.roleId)
  if (filter.inherited !== undefined) query = query.where('inherited', '=', flag(filter.inherited))
  return query.orderBy('target_type').orderBy('target_id').orderBy('actor_id').orderBy('role_id').limit(limits.maxListed).execute()
}

/** Everything that is assigned to a user or to their groups, by one statement. */
export const assignmentsOfUser = (db: Db, userId: string): Promise<AssignmentRow[]> =>
  db.query
    .selectFrom('assignments')
    .selectAll()
    .where((where) =>
      where.or([
        where.and([where('actor_type', '=', 'user'), where('actor_id', '=', userId)]),
        where.and([
          where('actor_type', '=', 'group'),
          where('actor_id', 'in', db.query.selectFrom('user_groups').select('group_id').where('user_id', '=', userId)),
        ]),
      ]),
    )
    .execute()

const one = (row: AssignmentRow) =>
  [
    ['actor_type', row.actor_type],
    ['actor_id', row.actor_id],
    ['target_type', row.target_type],
    ['target_id', row.target_id],
    ['role_id', row.role_id],
    ['inherited', row.inherited],
  ] as const

export async function hasAssignment(db: Db, row: AssignmentRow): Promise<boolean> {
  let query = db.query.selectFrom('assignments').select('role_id')
  for (const [column, value] of one(row)) query = query.where(column, '=', value)
  return (await query.executeTakeFirst()) !== undefined
}

export async function addAssignment(tx: Db, row: AssignmentRow): Promise<void> {
  await tx.query
    .insertInto('assignments')
    .values(row)
    .onConflict((conflict) => conflict.columns(['actor_id', 'actor_type', 'target_id', 'target_type', 'role_id', 'inherited']).doNothing())
    .execute()
}

/** False when there was none. */
export async function removeAssignment(tx: Db, row: AssignmentRow): Promise<boolean> {
  let query = tx.query.deleteFrom('assignments')
  for (const [column, value] of one(row)) query = query.where(column, '=', value)
  return (await query.executeTakeFirst()).numDeletedRows > 0n
}
