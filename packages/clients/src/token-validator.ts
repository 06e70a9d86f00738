import { hash } from 'node:crypto'
import { IdentityUnavailable, Unauthenticated, type Identity, type TokenValidator } from '@murmuration/http/identity'
import { isRevoked, maxTokenLength, TokenInvalid, verifyToken, type TokenClaims } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import { readAnswer, type Answer } from './answer.ts'
import { requestAuthorised } from './authorised.ts'
import { startDeadline } from './deadline.ts'
import type { KeystoneSession } from './keystone-session.ts'
import { createLru } from './lru.ts'
import { createTrustFeed, type Trust } from './trust-feed.ts'

export interface TokenValidatorOptions {
  /** Ends in /v3. */
  readonly identityUrl: string
  readonly session: KeystoneSession
  /** Verified tokens kept. Default 10,000. */
  readonly cacheEntries?: number
}

const defaultCacheEntries = 10_000

/** Tokens themselves are not kept: the cache's keys are of no use to whoever reads the memory. */
const keyOf = (token: string): string => hash('sha256', token, 'binary')

/**
 * Validates Murmuration's signed tokens in this process: signature and expiry locally (cached), revocations by polling the
 * identity service (`GET /v3/murmuration/trust`, as the service account) every 2 s. When the last good poll is older than 5 s
 * it asks once; without an answer nothing is accepted on old knowledge: IdentityUnavailable.
 */
export function createLocalTokenValidator(world: World, options: TokenValidatorOptions): TokenValidator & { start(): void; stop(): void } {
  const cache = createLru<Identity>(options.cacheEntries ?? defaultCacheEntries)
  // A retired key or a new revocation may concern any of them: verifying again costs 85 µs a token, once.
  const feed = createTrustFeed(world, { ...options, onChange: () => cache.clear() })

  /** Kept in the same breath: what was learned in between would have emptied the cache before. */
  const verify = (token: string, trust: Trust): Identity => {
    const claims = verifyToken(token, trust.keys, { issuer: trust.issuer, nowMs: world.clock.nowMs(), leewayMs: 60_000 })
    if (isRevoked(claims, trust.revocations)) throw new Unauthenticated()
    const identity = identityOf(claims)
    cache.set(keyOf(token), identity)
    return identity
  }

  /** Only for knowledge that is not too old. */
  const fromCache = (token: string): Identity | undefined => {
    const cached = cache.get(keyOf(token))
    return cached !== undefined && cached.expiresAtMs > world.clock.nowMs() ? cached : undefined
  }

  return {
    start: () => feed.start(),
    stop: () => feed.stop(),
    known: (token) => (token.length > maxTokenLength || feed.current() === undefined ? undefined : fromCache(token)),
    async validate(token) {
      if (token.length > maxTokenLength) throw new Unauthenticated()
      const trust = await feed.fresh()
      if (trust === undefined) throw new IdentityUnavailable()
      return fromCache(token) ?? verifyOrRenew(token, trust)
    },
  }

  /** A key that is not known may be newer than what we know: the first token after a rotation must not be refused. */
  async function verifyOrRenew(token: string, trust: Trust): Promise<Identity> {
    try {
      return verify(token, trust)
    } catch (error) {
      if (!(error instanceof TokenInvalid)) throw error
      const renewed = error.reason === 'unknown-key' ? await feed.renewed() : undefined
      if (renewed === undefined) return refuse(error)
      try {
        return verify(token, renewed)
      } catch (again) {
        return refuse(again)
      }
    }
  }

  function refuse(error: unknown): never {
    if (!(error instanceof TokenInvalid)) throw error
    world.log.debug('token refused', { reason: error.reason })
    throw new Unauthenticated()
  }
}

/** Who speaks, by what a token says of them. */
export function identityOf(claims: TokenClaims): Identity {
  const { user, scope } = claims
  return {
    userId: user.id,
    userName: user.name,
    userDomainId: user.domain.id,
    userDomainName: user.domain.name,
    ...(scope.kind === 'project'
      ? { projectId: scope.id, projectName: scope.name, projectDomainId: scope.domain.id, projectDomainName: scope.domain.name }
      : {}),
    ...(scope.kind === 'domain' ? { domainId: scope.id, domainName: scope.name } : {}),
    systemScope: scope.kind === 'system',
    roles: claims.roles.map((role) => role.name),
    auditId: claims.jti,
    expiresAtMs: claims.expMs,
  }
}

/** How long an answer of Keystone is believed: the bound on how long a revoked token lives. */
const believedMs = 5_000
const refusalBelievedMs = 1_000
const keystoneDeadlineMs = 10_000
/** Questions to Keystone at once: a flood of invented tokens must not become a flood there. */
const maxQuestions = 64

/** Asks a real Keystone (`GET /v3/auth/tokens`), with a bounded cache whose entries live at most 5 s. */
export function createKeystoneTokenValidator(world: World, options: TokenValidatorOptions): TokenValidator {
  const cache = createLru<{ identity: Identity | undefined; untilMs: number }>(options.cacheEntries ?? defaultCacheEntries)
  const running = new Map<string, Promise<Identity | undefined>>()
  const site = `identity at ${options.identityUrl}`

  const question = async (token: string): Promise<Identity | undefined> => {
    const deadline = startDeadline(world, keystoneDeadlineMs, site)
    const response = await requestAuthorised(world, options.session, deadline, {
      method: 'GET',
      url: `${options.identityUrl}/auth/tokens?nocatalog`,
      headers: { 'x-subject-token': token },
      maxResponseBytes: 1024 * 1024,
    })
    if (response.status === 404) return undefined
    return readIdentity(readAnswer(site, response, [200]))
  }
  const ask = (key: string, token: string): Promise<Identity | undefined> => {
    const known = running.get(key)
    if (known !== undefined) return known
    if (running.size >= maxQuestions) return Promise.reject(new Error(`${maxQuestions} tokens are being checked already`))
    const askedMs = world.clock.monotonicMs()
    const asked = question(token)
      .then((identity) => {
        cache.set(key, { identity, untilMs: askedMs + (identity === undefined ? refusalBelievedMs : believedMs) })
        return identity
      })
      .finally(() => running.delete(key))
    running.set(key, asked)
    return asked
  }

  return {
    async validate(token) {
      // Anything else is no token, and would be two headers or none.
      if (!/^[\x21-\x7e]{1,16384}$/.test(token)) throw new Unauthenticated()
      const key = keyOf(token)
      const cached = cache.get(key)
      const identity =
        cached !== undefined && world.clock.monotonicMs() < cached.untilMs
          ? cached.identity
          : await ask(key, token).catch((cause: unknown) => {
              throw new IdentityUnavailable({ cause })
            })
      if (identity === undefined || identity.expiresAtMs <= world.clock.nowMs()) throw new Unauthenticated()
      return identity
    },
  }
}

function readIdentity(answer: Answer): Identity {
  const token = answer.object()('token').object()
  const named = (of: Answer): { id: string; name: string; domain: Answer } => {
    const member = of.object()
    return { id: member('id').text(255), name: member('name').text(255), domain: member('domain') }
  }
  const user = named(token('user'))
  const userDomain = named(user.domain)
  const project = token('project').missing ? undefined : named(token('project'))
  const projectDomain = project === undefined ? undefined : named(project.domain)
  const domain = token('domain').missing ? undefined : named(token('domain'))
  const expiresAtMs = Date.parse(token('expires_at').text(40))
  return {
    userId: user.id,
    userName: user.name,
    userDomainId: userDomain.id,
    userDomainName: userDomain.name,
    ...(project === undefined || projectDomain === undefined
      ? {}
      : { projectId: project.id, projectName: project.name, projectDomainId: projectDomain.id, projectDomainName: projectDomain.name }),
    ...(domain === undefined ? {} : { domainId: domain.id, domainName: domain.name }),
    systemScope: !token('system').missing && token('system').object()('all').boolean(),
    roles: token('roles').missing
      ? []
      : token('roles')
          .list(1_000)
          .map((role) => named(role).name),
    auditId: token('audit_ids').list(10)[0]?.text(255) ?? '',
    expiresAtMs: Number.isNaN(expiresAtMs) ? 0 : expiresAtMs,
  }
}
