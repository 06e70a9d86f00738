import type { Engine } from '../engine.ts'
import { fail, isSerializationFailure } from '../errors.ts'
import { Session } from '../run/session.ts'
import type { Reply } from '../wire/resp.ts'
import type { Catalog, Index, Table } from './types.ts'

const whole = { low: '-', high: '+', reverse: false } as const
const chunkRows = 500
const chunkAttempts = 50

/** Enters every row into an index that is building, chunk by chunk; rows that change meanwhile are entered by their writers. */
export async function fillIndex(engine: Engine, table: Table, index: Index, catalog: Catalog): Promise<void> {
  let low: string = whole.low
  for (;;) {
    const next = await fillChunk(engine, table, index, catalog, low)
    if (next === undefined) return
    low = next
  }
}

async function fillChunk(engine: Engine, table: Table, index: Index, catalog: Catalog, low: string): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      const session = new Session(engine)
      await session.catalogFor([table.name])
      const { found, next } = await session.rows.range(table, { ...whole, index: table.primary, low, limit: chunkRows })
      const members = found.map(({ row }) => table.memberIn(index, row))
      if (members.length > 0)
        await session.commitAlso(catalog.version, ['A', String(table.id), String(index.id), String(members.length), ...members])
      return next?.low
    } catch (error) {
      if (!isSerializationFailure(error) || attempt === chunkAttempts) throw error
      await engine.environment.sleep(5 * engine.environment.random() * attempt)
    }
  }
}

/** True when two rows have the same values, none of them null, in an index that is filled. */
export async function findDuplicate(engine: Engine, table: Table, index: Index): Promise<boolean> {
  const session = new Session(engine, { validated: false })
  await session.catalogFor([table.name])
  let before: string | undefined
  let result = await session.rows.range(table, { ...whole, index, limit: chunkRows })
  for (;;) {
    for (const { row } of result.found) {
      if (index.columns.some((place) => (row[place] ?? null) === null)) continue
      const key = table.keyIn(index, row)
      if (key === before) return true
      before = key
    }
    if (!result.next) return false
    result = await session.rows.range(table, result.next)
  }
}

export const refuseNulls = (table: Table, place: number): never => {
  const name = `${table.name}.${table.column(place).name}`
  return fail('not-null', `Rows of ${table.name} have no ${table.column(place).name}.`, name)
}

/** Whether a row of the table has null there. */
export async function nullIn(session: Session, table: Table, place: number): Promise<boolean> {
  let result = await session.rows.range(table, { ...whole, index: table.primary, limit: chunkRows })
  for (;;) {
    if (result.found.some(({ row }) => (row[place] ?? null) === null)) return true
    if (!result.next) return false
    result = await session.rows.range(table, result.next)
  }
}

/** Throws when a row has null there; else the version of the table for which this holds. */
export async function checkNoNulls(engine: Engine, table: Table, place: number): Promise<string> {
  const session = new Session(engine)
  await session.catalogFor([table.name])
  if (await nullIn(session, table, place)) refuseNulls(table, place)
  await session.validate()
  return session.versionOf(table)
}

/** Deletes what dropped tables have left, also those of a process that ended on the way. */
export async function purgeDropped(engine: Engine, group: string): Promise<void> {
  const base = engine.base(group)
  const run = async (...args: (string | number)[]): Promise<Reply> => await engine.wire.call(base, args)
  const fields = ((await run('HGETALL', `${base}:cat`)) as string[]).map(String)
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [field = '', value = ''] = [fields[at], fields[at + 1]]
    if (!field.startsWith('dropping:')) continue
    const id = field.slice('dropping:'.length)
    for (;;) {
      const keys = (await run('ZRANGE', `${base}:i:${id}:0`, 0, chunkRows - 1)) as string[]
      if (keys.length === 0) break
      await run('UNLINK', ...keys.map((key) => `${base}:r:${id}:${key}`))
      await run('ZREM', `${base}:i:${id}:0`, ...keys)
    }
    for (const index of value.split(',')) await run('UNLINK', `${base}:i:${id}:${index}`)
    await run('HDEL', `${base}:tv`, id)
    await run('HDEL', `${base}:seq`, id)
    await run('HDEL', `${base}:cat`, field)
  }
}
