import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyTypeProvider,
  type RawServerDefault,
} from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import type { Static, TSchema } from 'typebox'
import type { Endpoint, World } from '@murmuration/world'
import { admit, authorize, requirePolicies } from './app/authorize.ts'
import { endpointOf } from './app/endpoint.ts'
import { failureOf } from './app/failure.ts'
import { createHealth, type Ready } from './app/health.ts'
import { collectPaths } from './app/known-paths.ts'
import { createMetrics } from './app/metrics.ts'
import { describeRoutes } from './app/openapi.ts'
import { logRequest, logUnrouted } from './app/request-log.ts'
import { owesPermission, reserveState, setState, stateOf } from './app/state.ts'
import { readBodies, refuseEncodings, refuseTwoHosts, refuseZeroInUrl } from './app/wire.ts'
import { BodyRefused } from './body/collect.ts'
import { ApiError } from './errors.ts'
import type { Faults } from './faults/index.ts'
import { stripIdentityHeaders } from './identity-headers.ts'
import type { Identity, TokenValidator } from './identity.ts'
import type { Policy } from './policy/index.ts'
import { buildValidator } from './validation/index.ts'

export interface AppOptions {
  readonly world: World
  /** For logs, metrics and the OpenAPI document's title. */
  readonly service: string
  readonly faults: Faults
  /** Omit for apps whose routes are all public or protected by mutual TLS. */
  readonly tokens?: TokenValidator
  readonly policy?: Policy
  /** JSON bodies; default 1 MiB. Deeper than 32 levels, duplicate keys, __proto__ and the like answer 400 (attacks 1–3). */
  readonly bodyLimitBytes?: number
  /** Checked by /healthz, which answers 503 naming what is not ready. Named checks are named there. */
  readonly ready?: Ready
  /** Where tokens come from: goes into `WWW-Authenticate` of 401. */
  readonly identityUrl?: string
  /** Asked before the token is looked at and the body is read. */
  readonly gate?: Gate
}

/** Resolves when the request may go on, rejects with its refusal; may set headers of the answer. */
export type Gate = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says it: a rule name, `authenticated` (any valid token) or `public`. A route without it is refused at start. */
    policy?: string
    /** The handler reads the raw body stream itself (uploads, multipart). */
    stream?: boolean
    /** For checks that need the body first: the handler calls `request.authorize(rule, target)`. Use `policy: 'in-handler'`. */
  }
  interface FastifyRequest {
    /** Present when the route is not public; reading it on a public route throws. */
    readonly identity: Identity
    /** Throws 403 through the policy; for rules chosen by the body (`policy: 'in-handler'`). */
    authorize(rule: string, target?: Readonly<Record<string, unknown>>): void
    /** `req-<uuid>`; a well-formed incoming X-OpenStack-Request-ID is kept as `globalRequestId`. */
    readonly requestId: string
    readonly globalRequestId: string | undefined
  }
}

/** Types `request.body`, `query` and `params` from the TypeBox schemas of the route. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/**
 * A Fastify instance with: token → identity, policy, faults, request ids, one log line a request, audit log of changes (no secrets,
 * no bodies), limits, `/healthz`, `/metrics`, an OpenAPI document at `/openapi.json`, the wire plugin (stack-notes §4.3), ajv messages
 * that name the field and the remedy. JSON Schemas in `schema` both validate and document.
 */
export interface App extends FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxProvider> {
  /** After all routes are added: makes the app ready and gives what `world.net.serve` needs. */
  endpoint(): Promise<Endpoint>
  /** What /metrics shows: a service adds its own gauges and counters here. */
  readonly metrics: Registry
}

/** Tells a hook how `work` ended. Never without an error after a rejection: that would let the request in. */
async function settle(work: Promise<void>, done: (error?: Error) => void): Promise<void> {
  let failure: Error | undefined
  try {
    await work
  } catch (error) {
    failure = error instanceof Error ? error : new Error('the token could not be checked', { cause: error })
  }
  done(failure)
}

/** After an early refusal Node would read the rest of the body only to drop it: better to end the connection. */
function leavesMuchUnread(request: FastifyRequest, bodyLimitBytes: number): boolean {
  const { raw } = request
  return !raw.complete && (raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > bodyLimitBytes)
}

const globalRequestIdPattern = /^req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export async function createApp(options: AppOptions): Promise<App> {
  const { world, service, faults, tokens, policy } = options
  const bodyLimitBytes = options.bodyLimitBytes ?? 1024 * 1024
  const metrics = createMetrics(service)
  const closing = new AbortController()
  const health = createHealth(world, service, options.ready)

  const app = Fastify({
    // One line a request is written in onResponse, through the world.
    logger: false,
    genReqId: () => `req-${world.random.uuid()}`,
    requestIdHeader: false,
    trustProxy: false,
    bodyLimit: bodyLimitBytes,
    // Starting is the caller's business: no timer of the framework's own runs (simulated worlds have their own time).
    pluginTimeout: 0,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 4096 },
    schemaController: { compilersFactory: { buildValidator: buildValidator as never } },
    frameworkErrors: (error, request, reply) => {
      void reply.header('x-openstack-request-id', request.id)
      answerFailure(request, reply, error)
      logUnrouted(world, request, reply)
    },
  })

  /** The one place where a caller is told of a failure. */
  function answerFailure(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
    const { error, headers, ours } = failureOf(thrown, request.id)
    if (ours) {
      metrics.fault()
      const cause = error === thrown ? (error.cause ?? error) : thrown
      world.log.error('request failed', {
        requestId: request.id,
        code: error.code,
        error: cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause),
      })
    }
    if (thrown instanceof BodyRefused || leavesMuchUnread(request, bodyLimitBytes)) void reply.header('connection', 'close')
    if (error.status === 401 && options.identityUrl !== undefined)
      void reply.header('www-authenticate', `Keystone uri="${options.identityUrl}"`)
    const { contentType, body } = faults.render(error, request.headers.accept)
    void reply.code(error.status).headers(headers).header('vary', 'Accept').type(contentType).serializer(String).send(body)
  }

  /** A path without a route is 404, one that has other methods 405. */
  function refuseUnknown(request: FastifyRequest, reply: FastifyReply): never {
    const allowed = paths.methodsOf(request.url.split('?', 1)[0] ?? '')
    if (allowed.length === 0) throw new ApiError(404, 'notFound', 'The resource could not be found.')
    void reply.header('allow', allowed.join(', '))
    throw new ApiError(405, 'methodNotAllowed', `The method ${request.method} is not allowed for this resource.`, {
      hint: `Allowed: ${allowed.join(', ')}.`,
    })
  }

  const paths = collectPaths(app)
  readBodies(app, world, bodyLimitBytes)
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))

  reserveState(app)
  app.decorateRequest('identity', {
    getter(this: FastifyRequest) {
      const identity = stateOf(this)?.identity
      if (identity === undefined) throw new Error('this route is public: nobody is known to ask')
      return identity
    },
  })
  app.decorateRequest('requestId', {
    getter(this: FastifyRequest) {
      return this.id
    },
  })
  app.decorateRequest('globalRequestId', {
    getter(this: FastifyRequest) {
      return stateOf(this)?.globalRequestId
    },
  })
  app.decorateRequest('authorize', function (this: FastifyRequest, rule: string, target?: Readonly<Record<string, unknown>>) {
    authorize(this, policy, rule, target)
  })

  // Hooks with callbacks: a promise for each of them is a tenth of a small request's cost.
  app.addHook('onRequest', (request, reply, done) => {
    metrics.started()
    const globalId = request.headers['x-openstack-request-id']
    const { url: route, config } = request.routeOptions
    setState(request, {
      world,
      closing: closing.signal,
      startedMs: world.clock.monotonicMs(),
      route,
      policy: config?.policy,
      globalRequestId: typeof globalId === 'string' && globalRequestIdPattern.test(globalId) ? globalId : undefined,
      forwarded: stripIdentityHeaders(request.raw),
      identity: undefined,
      authorized: false,
    })
    void reply.header('x-openstack-request-id', request.id)
    // Before the body is read, as everything that needs no body to be decided.
    refuseTwoHosts(request)
    if (request.is404) refuseUnknown(request, reply)
    refuseZeroInUrl(request)
    refuseEncodings(request)
    const admitted =
      options.gate === undefined ? admit(request, policy, tokens) : options.gate(request, reply).then(() => admit(request, policy, tokens))
    if (admitted === undefined) done()
    else void settle(admitted, done)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode < 400 && owesPermission(request)) {
      // The answer stays here: nobody has checked whether the caller may see it.
      done(new Error(`${request.method} ${request.routeOptions.url ?? ''} answered without calling request.authorize`))
    } else if (payload === null && reply.statusCode !== 204 && reply.statusCode !== 304) {
      // Clients decode the body of every 200 (reference dcmanager §1.1: null bodies).
      void reply.type('application/json')
      done(null, 'null')
    } else done(null, payload)
  })
  app.addHook('preClose', async () => closing.abort())
  app.addHook('onResponse', (request, reply, done) => {
    const nowMs = world.clock.monotonicMs()
    const state = stateOf(request)
    const elapsedMs = nowMs - (state?.startedMs ?? nowMs)
    metrics.ended(request.method, state?.route ?? '(none)', reply.statusCode, elapsedMs)
    logRequest(world, request, reply, elapsedMs)
    done()
  })
  app.setErrorHandler((error, request, reply) => answerFailure(request, reply, error))

  app.setNotFoundHandler((request, reply) => refuseUnknown(request, reply))
  requirePolicies(app, policy, tokens)
  await describeRoutes(app, service)

  app.get('/healthz', { config: { policy: 'public' }, schema: { hide: true } }, async (_, reply) => {
    const notReady = await health.check()
    void reply.header('cache-control', 'no-store')
    if (notReady.length > 0) void reply.code(503).header('retry-after', '5')
    return notReady.length === 0 ? { status: 'ok', service } : { status: 'unavailable', service, not_ready: notReady }
  })
  app.get('/metrics', { config: { policy: 'loopback' }, schema: { hide: true } }, async (_, reply) => {
    void reply.type(metrics.registry.contentType)
    return metrics.registry.metrics()
  })
  app.get('/openapi.json', { config: { policy: 'public' }, schema: { hide: true } }, async () => app.swagger())

  return Object.assign(app.withTypeProvider<TypeBoxProvider>(), {
    metrics: metrics.registry,
    async endpoint() {
      await app.ready()
      return endpointOf(app, () => closing.abort())
    },
  }) as App
}
