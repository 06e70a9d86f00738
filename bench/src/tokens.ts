import { createLocalTokenValidator } from '@murmuration/clients'
import type { TokenValidator } from '@murmuration/http'
import { generateSigningKey, signToken } from '@murmuration/trust'
import type { HttpResponse, World } from '@murmuration/world'

const issuer = 'http://identity.bench/v3'

/** Real signed tokens, and the validator that every service has; the identity service behind it is one scripted answer. */
export function createTokens(
  world: World,
  count: number,
  roles: readonly string[] = ['admin', 'reader'],
): { validator: TokenValidator; tokens: string[] } {
  const key = generateSigningKey('bench')
  const nowMs = world.clock.nowMs()
  const tokens = Array.from({ length: count }, (_, n) =>
    signToken(
      {
        jti: Buffer.from(`token-${n}`).toString('base64url'),
        iatMs: nowMs,
        expMs: nowMs + 3_600_000,
        user: { id: `user-${n}`, name: `user-${n}`, domain: { id: 'default', name: 'Default' } },
        roles: roles.map((name) => ({ id: `role-${name}`, name })),
        scope: { kind: 'project', id: 'project-admin', name: 'admin', domain: { id: 'default', name: 'Default' } },
        methods: ['password'],
        auditIds: [Buffer.from(`token-${n}`).toString('base64url')],
        issuer,
        sequence: 0,
      },
      key,
    ),
  )
  const trust = JSON.stringify({ sequence: 0, issuer, keys: [{ id: key.id, publicKey: key.publicKey }], revocations: [] })
  const net = {
    ...world.net,
    request: async (): Promise<HttpResponse> => ({ status: 200, headers: {}, body: Buffer.from(trust) }),
  }
  const session = { token: async () => 'service', invalidate: () => undefined, endpointUrl: async () => undefined }
  const validator = createLocalTokenValidator({ ...world, net }, { identityUrl: issuer, session })
  validator.start()
  return { validator, tokens }
}
