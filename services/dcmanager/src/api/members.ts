import { readUuid } from '../rules/uuids.ts'
import { Type, type TSchema } from 'typebox'
import { invalidField } from '../errors.ts'

/** A whole number, or its digits: the stock client sends what its user typed as text. */
export const numeric = (description: string): TSchema =>
  Type.Union([Type.Integer(), Type.String({ pattern: '^[0-9]{1,9}$' })], { description })

/** The number within its limits; undefined when it was not given. */
export function numberWithin(field: string, value: unknown, least: number, most: number): number | undefined {
  if (value === undefined || value === null) return undefined
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < least || number > most)
    throw invalidField(field, `must be a whole number from ${least} to ${most}`)
  return number
}

/** A flag in the query, in any case, as clients write booleans; false when it was not given. */
export function flagOf(field: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value !== 'string' || !/^(true|false)$/i.test(value)) throw invalidField(field, 'must be true or false')
  return value.toLowerCase() === 'true'
}

export function uuidIn(field: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const uuid = readUuid(value)
  if (uuid === undefined) throw invalidField(field, 'must be a UUID')
  return uuid
}

/** Members that were given; an absent one must not overwrite what is there. */
export const givenOf = <T extends Record<string, unknown>>(columns: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined)) as never
