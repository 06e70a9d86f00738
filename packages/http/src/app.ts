import type { FastifyInstance } from 'fastify'
import type { Endpoint, World } from '@murmuration/world'
import type { Faults } from './faults/index.ts'
import type { Identity, TokenValidator } from './identity.ts'
import type { Policy } from './policy/index.ts'

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
  /** Checked by /healthz, which answers 503 naming what is not ready. */
  readonly ready?: () => Promise<void>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route says it: a rule name, `authenticated` (any valid token) or `public`. A route without it is refused at start. */
    policy?: string
    /** The handler reads the raw body stream itself (uploads, multipart). */
    stream?: boolean
    /** For checks that need the body first: the handler calls `request.authorize(rule, target)`. Use `policy: 'in-handler'`. */
  }
  interface FastifyRequest {
    /** Present when the route is not public. */
    identity: Identity
    /** Throws 403 through the policy; for rules chosen by the body (`policy: 'in-handler'`). */
    authorize(rule: string, target?: Readonly<Record<string, unknown>>): void
    /** `req-<uuid>`; a well-formed incoming X-OpenStack-Request-ID is kept as `globalRequestId`. */
    requestId: string
    globalRequestId: string | undefined
  }
}

/**
 * A Fastify instance with: token → identity, policy, faults, request ids, one log line a request, audit log of changes (no secrets,
 * no bodies), limits, `/healthz`, `/metrics`, an OpenAPI document at `/openapi.json`, the wire plugin (stack-notes §4.3), ajv messages
 * that name the field and the remedy. JSON Schemas in `schema` both validate and document.
 */
export interface App extends FastifyInstance {
  /** After all routes are added: makes the app ready and gives what `world.net.serve` needs. */
  endpoint(): Promise<Endpoint>
}

export declare function createApp(options: AppOptions): Promise<App>
