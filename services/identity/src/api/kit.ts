import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { InvalidMarker, isUniqueViolation, type Page } from '@murmuration/data'
import type { ApiError, App } from '@murmuration/http'
import { errors } from '../errors.ts'
import { limits } from '../rules/limits.ts'
import type { Room } from '../room.ts'
import type { PageWish } from '../store/listing.ts'
import type { Options } from '../store/schema.ts'

/** What every file of routes is given. */
export interface Api {
  readonly app: App
  readonly room: Room
}

/** Printable, and not of spaces alone. */
export const Name = Type.String({
  minLength: 1,
  maxLength: limits.maxNameLength,
  pattern: '^[^\\u0000-\\u001f\\u007f]*[^\\s][^\\u0000-\\u001f\\u007f]*$',
})
export const Id = Type.String({ minLength: 1, maxLength: 255 })
export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
export const Text = Type.String({ maxLength: 4096 })
export const Password = Type.String({ minLength: 1, maxLength: limits.maxPasswordLength })
export const Bag = Type.Optional(Type.Record(Type.String(), Type.Unknown()))
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.maxListed })),
  marker: Type.Optional(Type.String({ maxLength: 2048 })),
}

/** Where the caller reached us, ending in /v3: links lead back the same way, through whatever stands between. */
export function baseUrl(request: FastifyRequest, room: Room): string {
  const host = /^[A-Za-z0-9_.:[\]-]{1,255}$/.test(request.host) ? request.host : `${room.config.address}:${room.config.ports.identity}`
  return `${request.protocol}://${host}/v3`
}

export const pageWish = (query: { limit?: number | undefined; marker?: string | undefined }): PageWish => ({
  limit: query.limit,
  marker: query.marker,
})

/** `enabled` as Keystone reads it: absent no filter, `0` and `false` in any case no, all else yes. */
export const readFlag = (text: string | undefined): boolean | undefined => (text === undefined ? undefined : !/^(0|false)$/i.test(text))

/** Runs the query of a list; a foreign marker becomes 400. */
export async function listed<Row>(query: () => Promise<Page<Row>>): Promise<Page<Row>> {
  try {
    return await query()
  } catch (error) {
    if (error instanceof InvalidMarker) throw errors.invalidMarker()
    throw error
  }
}

/** A list in Keystone's envelope. `next` leads on where there is more. */
export function envelope(name: string, items: readonly unknown[], request: FastifyRequest, room: Room, next?: string) {
  const self = new URL(`${baseUrl(request, room)}/`)
  // Behind the first question mark; any further one is a letter like others.
  const [, path = '', search = ''] = /^([^?]*)(.*)$/s.exec(request.url) ?? []
  self.pathname = path
  self.search = search
  const more = new URL(self)
  if (next !== undefined) more.searchParams.set('marker', next)
  return {
    [name]: items,
    links: { self: self.href, previous: null, next: next === undefined ? null : more.href },
    ...(next === undefined ? {} : { truncated: true }),
  }
}

/** A page of a list in Keystone's envelope, as the query asks for it; `wire` is how a row is told. A foreign marker is 400. */
export async function list<Row>(
  request: FastifyRequest,
  room: Room,
  name: string,
  wire: (row: Row, base: string) => unknown,
  read: (wish: PageWish) => Promise<Page<Row>>,
): Promise<object> {
  const page = await listed(() => read(pageWish(request.query as Parameters<typeof pageWish>[0])))
  const base = baseUrl(request, room)
  return envelope(
    name,
    page.rows.map((row) => wire(row, base)),
    request,
    room,
    page.next,
  )
}

/** A name or id that is taken is 409, found by the constraint and not by a look before: two callers can't both win. */
export async function refusingDuplicates<T>(refusal: () => ApiError, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isUniqueViolation(error)) throw refusal()
    throw error
  }
}

export const duplicateIn = (what: string, name: string, domainId: string) => () =>
  errors.duplicate({ what, name, where: domainId === '' ? '' : ` at domain ID ${domainId}` })

/** Keystone's option `immutable`: nothing but the option itself may change. */
export function refuseImmutable(what: string, id: string, before: Options, wish?: { options?: unknown }): void {
  if (before['immutable'] !== true) return
  const lifted = (wish?.options as { immutable?: unknown } | undefined)?.immutable
  if (lifted === false || lifted === null) return
  throw errors.immutable({ what, id })
}

export const found = <T>(what: string, id: string, row: T | undefined): T => {
  if (row === undefined) throw errors.notFound({ what, id })
  return row
}

/** The domain that something belongs to when the caller names none: that of their scope. */
export const callersDomain = (request: FastifyRequest): string =>
  request.identity.domainId ?? request.identity.projectDomainId ?? request.identity.userDomainId

/**
 * Allows a list wholly, or, for readers of one domain, within it; returns the domain to filter by. Throws 403 otherwise.
 */
export function authorizeList(request: FastifyRequest, room: Room, rule: string, wanted: string | undefined): string | undefined {
  const whole = room.policy.allows(rule, request.identity, {})
  const domainId = whole ? wanted : (wanted ?? request.identity.domainId)
  request.authorize(rule, { target: { domain_id: domainId } })
  return domainId
}
