import { keysetPage, markerAfter, type SortKey } from '@murmuration/data'
import type { ExpressionBuilder, Expression, SqlBool } from 'kysely'
import { readFilters, sortColumns, type Condition } from '../rules/list-filters.ts'
import { DataRefused } from '../rules/refusals.ts'
import { seesDeleted, type Caller } from './caller.ts'
import { limitOf } from './list-page.ts'
import { readVisible, withChildren, type ImageRow } from './read-images.ts'
import type { ImageRecord } from './records.ts'
import type { Db, Schema } from './schema.ts'

export interface ListArguments {
  readonly filters?: Readonly<Record<string, unknown>> | null
  readonly marker?: string | null
  readonly limit?: number | null
  readonly sort_key?: readonly string[] | null
  readonly sort_dir?: readonly string[] | null
  readonly member_status?: string | null
  readonly is_public?: boolean | null
  readonly admin_as_user?: boolean
  readonly return_tag?: boolean
}

type Builder = ExpressionBuilder<Schema, 'images'>
type Check = Expression<SqlBool>
const columns = Object.fromEntries(sortColumns.map((column) => [column, `images.${column}`]))

/** Images that the caller may see, in a total order, so that each stands on exactly one page (reference image §3.3). */
export async function listImages(db: Db, caller: Caller, wanted: ListArguments): Promise<ImageRecord[]> {
  const { conditions, deleted } = readFilters(wanted.filters ?? {})
  const sort = sortOf(wanted.sort_key ?? ['created_at'], wanted.sort_dir ?? ['desc'])
  const limit = limitOf(wanted.limit)
  const marker = wanted.marker ?? undefined
  const after = marker === undefined ? undefined : await markerOf(db, caller, marker, sort, deleted)
  if (limit === 0) return []
  const memberStatus = wanted.member_status ?? 'accepted'
  const seen = { caller: wanted.admin_as_user === true ? { ...caller, isAdmin: false } : caller, memberStatus }
  const visibility = conditions.find((condition) => condition.kind === 'visibility')?.value

  let query = db.query.selectFrom('images').selectAll()
  const base = baseOf(seen.caller, visibility, memberStatus)
  if (base !== undefined) query = query.where(base)
  if (typeof wanted.is_public === 'boolean') query = query.where('images.visibility', wanted.is_public ? '=' : '!=', 'public')
  for (const condition of conditions) {
    const check = checkOf(condition)
    if (check !== undefined) query = query.where(check)
  }
  const { rows } = await keysetPage<ImageRow>(
    query,
    { limit, sort, ...(after === undefined ? {} : { marker: after }) },
    columns,
    'images.id',
    ['images.created_at', 'images.updated_at', 'images.status'],
  )
  return withChildren(db, caller, rows, { deleted, tags: wanted.return_tag === true })
}

/** `created_at` and `id` stand at the end: in the only direction that was given, else descending. */
function sortOf(keys: readonly string[], directions: readonly string[]): SortKey[] {
  const given = directions.length === 1 ? keys.map(() => directions[0]) : directions
  if (given.length !== keys.length) throw new DataRefused('Invalid', 'Number of sort dirs does not match the number of sort keys.')
  const last = directions.length === 1 && directions[0] === 'asc' ? 'asc' : 'desc'
  const sort = keys.map((key, index): SortKey => {
    if (!(sortColumns as readonly string[]).includes(key))
      throw new DataRefused('InvalidSortKey', `Sort key supplied was not valid: ${key.slice(0, 64)}.`)
    const direction = given[index]
    if (direction !== 'asc' && direction !== 'desc') throw new DataRefused('Invalid', "A sort direction is 'asc' or 'desc'.")
    return { key, direction }
  })
  for (const key of ['created_at', 'id']) if (!sort.some((one) => one.key === key)) sort.push({ key, direction: last })
  return sort
}

async function markerOf(db: Db, caller: Caller, id: string, sort: readonly SortKey[], deleted: boolean): Promise<string> {
  const row = await readVisible(db, caller, id, { deleted: deleted || seesDeleted(caller) })
  return markerAfter(sort, columns, 'images.id', (column) => row[column.slice('images.'.length) as keyof ImageRow])
}

/** What of all rows the caller may see in a list; undefined is everything. */
function baseOf(caller: Caller, visibility: string | undefined, memberStatus: string): ((eb: Builder) => Check) | undefined {
  const { owner } = caller
  const own = (eb: Builder): Check => (owner === null ? nothing(eb) : eb('images.owner', '=', owner))
  const shared = (eb: Builder): Check =>
    owner === null
      ? nothing(eb)
      : eb.and([eb('images.visibility', '=', 'shared'), eb('images.id', 'in', sharedWith(eb, owner, memberStatus))])
  const is = (eb: Builder, value: 'public' | 'private' | 'shared' | 'community'): Check => eb('images.visibility', '=', value)

  if (caller.isAdmin) {
    if (visibility === 'all') return undefined
    if (visibility === undefined) return (eb) => eb.or([eb('images.visibility', '!=', 'community'), own(eb)])
    return (eb) => is(eb, visibility as 'public')
  }
  if (owner === null && visibility !== 'community' && visibility !== 'all') return (eb) => is(eb, 'public')
  switch (visibility) {
    case undefined:
      return (eb) => eb.or([is(eb, 'public'), own(eb), shared(eb)])
    case 'shared':
      return (eb) => eb.or([eb.and([is(eb, 'shared'), own(eb)]), shared(eb)])
    case 'private':
      return (eb) => eb.and([is(eb, 'private'), own(eb)])
    case 'all':
      return (eb) => eb.or([is(eb, 'public'), is(eb, 'community'), own(eb), shared(eb)])
    default:
      return (eb) => is(eb, visibility as 'public')
  }
}

const nothing = (eb: Builder): Check => eb('images.id', '=', '')

/** Not a join: an image has one row in a list, however it came there. */
function sharedWith(eb: Builder, member: string, status: string) {
  const rows = eb
    .selectFrom('image_members')
    .select('image_members.image_id')
    .where('image_members.member', '=', member)
    .where('image_members.deleted', '=', 0)
  return status === 'all' ? rows : rows.where('image_members.status', '=', status)
}

function checkOf(condition: Condition): ((eb: Builder) => Check) | undefined {
  switch (condition.kind) {
    case 'column': {
      const { values } = condition
      const column = `images.${condition.column}` as 'images.name'
      const given = values.filter((value) => value !== null) as string[]
      if (values.length === 1) return (eb) => (values[0] === null ? eb(column, 'is', null) : eb(column, '=', given[0]!))
      return given.length === 0 ? nothing : (eb) => eb(column, 'in', given)
    }
    case 'compare':
      return (eb) => eb(`images.${condition.column}` as 'images.name', condition.operator, condition.value as string)
    case 'tag':
      return (eb) =>
        eb(
          'images.id',
          'in',
          eb
            .selectFrom('image_tags')
            .select('image_tags.image_id')
            .where('image_tags.value', '=', condition.value)
            .where('image_tags.deleted', '=', 0),
        )
    case 'property':
      return (eb) =>
        eb(
          'images.id',
          'in',
          eb
            .selectFrom('image_properties')
            .select('image_properties.image_id')
            .where('image_properties.name', '=', condition.name)
            .where('image_properties.value', '=', condition.value)
            .where('image_properties.deleted', '=', 0),
        )
    case 'visibility':
      return undefined
  }
}
