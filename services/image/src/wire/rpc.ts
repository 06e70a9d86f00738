import { readMoment } from '../rules/moments.ts'
import { builtinRefusals, DataRefused, refusals } from '../rules/refusals.ts'

/** Values of the registry's wire (reference image §2.4). */

const builtinModule = 'builtins'
const ownModule = 'glance.common.exception'
/** Columns that hold times; nothing else that looks like one is taken for one. */
const timeColumns: ReadonlySet<string> = new Set(['created_at', 'updated_at', 'deleted_at', 'expires_at', 'lease_until'])
const timeArguments: ReadonlySet<string> = new Set(['changes-since', 'delete_time'])
/** As rows hold them; a filter like `gt:2031-05-04T10:00:00Z` is none. */
const rowTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}$/
const documents: ReadonlySet<string> = new Set(['metadata', 'meta_data', 'input', 'result', 'json_schema', 'required'])
/** A document that callers wrote: what stands in it stays as it is. Properties are one by name and value, and rows in what is answered. */
const isDocument = (key: string, member: unknown): boolean => documents.has(key) || (key === 'properties' && !Array.isArray(member))

/** A time on its own: the argument or the result of a command. */
export class Moment {
  /** UTC with microseconds, without a zone. */
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const wireMoment = (text: string) => ({ _type: 'datetime', _value: text.endsWith('.000000') ? text.slice(0, -7) : text })

export function encode(value: unknown): unknown {
  if (value === undefined) return null
  if (value instanceof Moment) return wireMoment(value.text)
  if (Array.isArray(value)) return value.map(encode)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => {
      if (isDocument(key, member)) return [key, member]
      if (timeColumns.has(key) && typeof member === 'string' && rowTime.test(member)) return [key, wireMoment(member)]
      return [key, encode(member)]
    }),
  )
}

/** Times become text in columns that hold times, and Moments elsewhere; an unknown `_type` is left alone. */
export function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode)
  if (typeof value !== 'object' || value === null) return value
  const moment = momentOf(value)
  if (moment !== undefined) return new Moment(moment)
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => {
      const decoded = isDocument(key, member) ? member : decode(member)
      return [key, decoded instanceof Moment && (timeColumns.has(key) || timeArguments.has(key)) ? decoded.text : decoded]
    }),
  )
}

function momentOf(value: object): string | undefined {
  const { _type: type, _value: text } = value as { _type?: unknown; _value?: unknown }
  return type === 'datetime' && typeof text === 'string' ? readMoment(text) : undefined
}

export interface WireError {
  readonly _error: { readonly cls: string; readonly val: string }
}

/** What failed, under a name that the other side knows; everything else is told as an RPCError, without its details. */
export function encodeFailure(error: unknown): WireError {
  if (error instanceof DataRefused) {
    const module = (builtinRefusals as readonly string[]).includes(error.refusal) ? builtinModule : ownModule
    return { _error: { cls: `${module}.${error.refusal}`, val: error.message } }
  }
  const name = error instanceof Error ? error.name : 'Exception'
  return { _error: { cls: `${ownModule}.RPCError`, val: `${name} exception was raised in the last rpc call` } }
}

export function decodeFailure(value: unknown): DataRefused | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '_error')) return undefined
  const { cls, val } = (value as WireError)._error
  const name = cls.split('.').at(-1) ?? ''
  const known = [...refusals, ...builtinRefusals].find((one) => one === name)
  return new DataRefused(known ?? 'RPCError', known === undefined ? `${cls}: ${val}` : val)
}
