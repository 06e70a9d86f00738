import { flag, timestamp } from '@murmuration/data'
import type { World } from '@murmuration/world'
import { DataRefused } from '../rules/refusals.ts'
import type { Caller } from './caller.ts'
import { memberRecord, type MemberRecord } from './records.ts'
import type { Db, Tx } from './schema.ts'
import { mostNameChars, type Values } from './values.ts'

const text = (values: Values, key: string): string => {
  const value = values[key]
  if (typeof value !== 'string' || value === '' || value.length > mostNameChars)
    throw new DataRefused('Invalid', `A membership needs ${key}, a text of at most ${mostNameChars} characters.`)
  return value
}

/** A member that comes back takes its old row; one that is there is a Duplicate. */
export async function createMember(tx: Tx, world: World, { values }: { values: Values }): Promise<MemberRecord> {
  const [imageId, member] = [text(values, 'image_id'), text(values, 'member')]
  const now = timestamp(world.clock.nowMs())
  const state = {
    can_share: flag(values['can_share'] === true),
    status: typeof values['status'] === 'string' ? values['status'] : 'pending',
    created_at: now,
    updated_at: now,
    deleted_at: null,
    deleted: 0 as const,
  }
  const row = await tx.query
    .insertInto('image_members')
    .values({ image_id: imageId, member, ...state })
    .onConflict((conflict) => conflict.columns(['image_id', 'member']).doUpdateSet(state).where('image_members.deleted', '=', 1))
    .returningAll()
    .executeTakeFirst()
  if (row === undefined) throw new DataRefused('Duplicate', `Member ${member} is already a member of image ${imageId}.`)
  return memberRecord(row)
}

export async function updateMember(
  tx: Tx,
  world: World,
  { memb_id: id, values }: { memb_id: number; values: Values },
): Promise<MemberRecord> {
  const row = await tx.query
    .updateTable('image_members')
    .set({
      ...(typeof values['status'] === 'string' ? { status: values['status'] } : {}),
      ...(values['can_share'] === undefined ? {} : { can_share: flag(values['can_share'] === true) }),
      updated_at: timestamp(world.clock.nowMs()),
    })
    .where('id', '=', id)
    .where('deleted', '=', 0)
    .returningAll()
    .executeTakeFirst()
  if (row === undefined) throw new DataRefused('NotFound', `No membership found with ID ${id}`)
  return memberRecord(row)
}

export async function deleteMember(tx: Tx, world: World, { memb_id: id }: { memb_id: number }): Promise<null> {
  const now = timestamp(world.clock.nowMs())
  const { numUpdatedRows } = await tx.query
    .updateTable('image_members')
    .set({ deleted: 1, deleted_at: now, updated_at: now })
    .where('id', '=', id)
    .where('deleted', '=', 0)
    .executeTakeFirst()
  if (numUpdatedRows === 0n) throw new DataRefused('NotFound', `No membership found with ID ${id}`)
  return null
}

export interface MemberFilter {
  readonly image_id?: string | null
  readonly member?: string | null
  readonly status?: string | null
  readonly include_deleted?: boolean
}

/** Others than administrators see rows of images that they own, and their own. */
export async function findMembers(db: Db, caller: Caller, filter: MemberFilter): Promise<MemberRecord[]> {
  let query = db.query.selectFrom('image_members').innerJoin('images', 'images.id', 'image_members.image_id').selectAll('image_members')
  if (filter.include_deleted !== true) query = query.where('image_members.deleted', '=', 0)
  if (typeof filter.image_id === 'string') query = query.where('image_members.image_id', '=', filter.image_id)
  if (typeof filter.member === 'string') query = query.where('image_members.member', '=', filter.member)
  if (typeof filter.status === 'string') query = query.where('image_members.status', '=', filter.status)
  if (!caller.isAdmin) {
    const owner = caller.owner ?? ''
    query = query.where((eb) => eb.or([eb('images.owner', '=', owner), eb('image_members.member', '=', owner)]))
  }
  return (await query.orderBy('image_members.id').execute()).map(memberRecord)
}

export async function countMembers(db: Db, { image_id: imageId }: { image_id: string }): Promise<number> {
  if (typeof imageId !== 'string' || imageId === '') throw new DataRefused('Invalid', 'Image id is required.')
  const { count } = await db.query
    .selectFrom('image_members')
    .select((eb) => eb.fn.countAll<number | string>().as('count'))
    .where('image_id', '=', imageId)
    .where('deleted', '=', 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}
