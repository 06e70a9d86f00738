import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { Desk } from '../store/claims.ts'
import { findSubcloud, type SubcloudRow } from '../store/subclouds.ts'
import { hasPeerPrivileges } from './peer-privileges.ts'

/**
 * The value of a handler parameter: from the path, or bound by its name from the query or the body (reference dcmanager §1.1).
 */
export function bound(
  request: FastifyRequest,
  name: 'subcloud_ref' | 'verb' | 'group_ref' | 'release' | 'peer_ref' | 'association_id',
  body?: string,
): string | undefined {
  for (const source of [request.params, request.query] as Record<string, unknown>[]) {
    const value = source !== null && typeof source === 'object' && Object.hasOwn(source, name) ? source[name] : undefined
    if (typeof value === 'string' && value !== '') return value
  }
  return body === '' ? undefined : body
}

/** cert-mon names subclouds by their region (reference §1.3). No right hangs on a User-Agent alone. */
export const isCertMonitor = (request: FastifyRequest): boolean => request.headers['user-agent'] === 'cert-mon/1.0'

/** The row a request is about; 404 in one wording, whether the id never was or the name is another's. */
export async function subcloudOf(desk: Desk, request: FastifyRequest, body?: string): Promise<SubcloudRow> {
  const ref = bound(request, 'subcloud_ref', body)
  if (ref === undefined) throw errors.refMissing()
  const row = ref.length > 255 ? undefined : await find(desk, request, ref)
  if (row === undefined) throw errors.subcloudNotFound()
  return row
}

/** Peers know subclouds by their region, and look whether a name is there (reference §7.1): one as good as the other, except to delete. */
async function find(desk: Desk, request: FastifyRequest, ref: string): Promise<SubcloudRow | undefined> {
  if (request.method === 'DELETE') return findSubcloud(desk.database, ref)
  if (isCertMonitor(request)) return findSubcloud(desk.database, ref, { byRegion: true })
  const byRegion = (await hasPeerPrivileges({ desk }, request)) ? await findSubcloud(desk.database, ref, { byRegion: true }) : undefined
  return byRegion ?? findSubcloud(desk.database, ref)
}
