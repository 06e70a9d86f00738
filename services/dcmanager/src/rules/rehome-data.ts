/**
 * What another controller needs to take a subcloud over: its bootstrap values and the address under which it is deployed (reference
 * dcmanager §7.6). Here it is not a copy: it is made of the documents that every subcloud has.
 */
export type SavedPayload = Readonly<Record<string, unknown>>

/** Passwords that go to a subcloud once and are asked for anew at every takeover; they never belong to the payload. */
const neverSaved: ReadonlySet<string> = new Set(['sysadmin_password', 'ansible_become_pass', 'ansible_ssh_pass', 'bmc_password'])

export function savedPayload(values: SavedPayload, bootstrapAddress: string | null): SavedPayload | undefined {
  if (bootstrapAddress === null) return undefined
  const kept = Object.entries(values).filter(([name]) => !neverSaved.has(name))
  return { ...Object.fromEntries(kept), 'bootstrap-address': bootstrapAddress }
}

/** For a peer: whole, `admin_password` in base64 as peers write and expect it. The text is a secret. */
export const rehomeDataForPeer = (payload: SavedPayload): string =>
  JSON.stringify({
    saved_payload: {
      ...payload,
      ...(typeof payload['admin_password'] === 'string'
        ? { admin_password: Buffer.from(payload['admin_password'], 'utf8').toString('base64') }
        : {}),
    },
  })

/** For everybody else: what may be a secret stands there as `***`, however deep. */
export const shownRehomeData = (payload: SavedPayload): string => JSON.stringify({ saved_payload: hidden(payload) })

/** Names of what a secret may stand under: passwords, keys, tokens, certificates with their keys, credentials in URLs. */
const secretName = /pass|secret|token|key|credential|cert|auth|community|private/i
const credentialsInUrl = /:\/\/[^/\s@]*@/

function hidden(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hidden)
  if (typeof value === 'string') return credentialsInUrl.test(value) || value.includes('PRIVATE KEY') ? '***' : value
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      secretName.test(name) && member !== null && member !== '' ? '***' : hidden(member),
    ]),
  )
}
