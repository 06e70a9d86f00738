import type { FastifyRequest } from 'fastify'
import { errors } from '../errors.ts'
import type { Desk } from '../store/claims.ts'
import { findSubcloud, type SubcloudRow } from '../store/subclouds.ts'

/**
 * The value of a handler parameter: from the path, or bound by its name from the query or the body (reference dcmanager §1.1).
 */
export function bound(request: FastifyRequest, name: 'subcloud_ref' | 'verb' | 'group_ref' | 'release', body?: string): string | undefined {
  for (const source of [request.params, request.query] as Record<string, unknown>[]) {
    const value = source !== null && typeof source === 'object' && Object.hasOwn(source, name) ? source[name] : undefined
    if (typeof value === 'string' && value !== '') return value
  }
  return body === '' ? undefined : body
}

/** cert-mon names subclouds by their region (reference §1.3). No other right hangs on a User-Agent. */
export const isCertMonitor = (request: FastifyRequest): boolean => request.headers['user-agent'] === 'cert-mon/1.0'

/** The row a request is about; 404 in one wording, whether the id never was or the name is another's. */
export async function subcloudOf(desk: Desk, request: FastifyRequest, body?: string): Promise<SubcloudRow> {
  const ref = bound(request, 'subcloud_ref', body)
  if (ref === undefined) throw errors.refMissing()
  const byRegion = isCertMonitor(request) && request.method !== 'DELETE'
  const row = ref.length > 255 ? undefined : await findSubcloud(desk.database, ref, { byRegion })
  if (row === undefined) throw errors.subcloudNotFound()
  return row
}
