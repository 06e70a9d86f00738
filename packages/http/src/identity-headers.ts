import type { IncomingMessage } from 'node:http'

/**
 * Headers by which a front end tells a service behind it who is asking. Nobody is in front of us that we would believe:
 * identity comes from the token alone (attacks 25), so these are gone before any handler or proxy can see them.
 * `_` counts as `-`, since other servers behind a proxy read both as the same name.
 */
const claims =
  /^(?:x-(?:user|project|tenant|domain|role|roles|is-admin|identity|system-scope|authenticated|remote-user|trusted|forwarded|real-ip|client-ip|original-url|rewrite-url|token-info)(?:-|$)|x-service-(?!token$)|openstack-system-scope$|forwarded$|remote-user$|proxy-authorization$)/

/** Few headers of a usual request begin with one of these letters. */
const mayClaim = /^[xofrp]/i
const claimsIdentity = (name: string): boolean => mayClaim.test(name) && claims.test(name.toLowerCase().replaceAll('_', '-'))

/** Removes them in place. Returns whether one of them spoke of a proxy on the way (`x-forwarded-*`, `forwarded`). */
export function stripIdentityHeaders(request: IncomingMessage): boolean {
  let forwarded = false
  const { headers } = request
  let found = false
  for (const name in headers) {
    if (!claimsIdentity(name)) continue
    found = true
    if (name.includes('forwarded')) forwarded = true
    delete headers[name]
  }
  if (found) {
    // Whoever forwards the request from its raw headers gets none of them either.
    const raw = request.rawHeaders
    const kept: string[] = []
    for (let i = 0; i + 1 < raw.length; i += 2) {
      if (!claimsIdentity(raw[i] as string)) kept.push(raw[i] as string, raw[i + 1] as string)
    }
    raw.splice(0, raw.length, ...kept)
  }
  return forwarded
}
