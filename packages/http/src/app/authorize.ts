import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from '../errors.ts'
import { Unauthenticated, type Identity, type TokenValidator } from '../identity.ts'
import type { Policy } from '../policy/index.ts'
import { stateOf } from './state.ts'

const maxTokenBytes = 8 * 1024

/** Policies that are not rules. `loopback` is public to callers on this machine and needs a token from elsewhere. */
const special: ReadonlySet<string> = new Set(['public', 'authenticated', 'in-handler', 'loopback'])

/** Refuses, when it is added, a route that does not say who may use it, or says it in a way that nothing could check. */
export function requirePolicies(app: FastifyInstance, policy: Policy | undefined, tokens: TokenValidator | undefined): void {
  const rules = new Set(policy?.rules.map((rule) => rule.name))
  app.addHook('onRoute', ({ method, url, config }) => {
    const name = config?.policy
    const route = `route ${String(method)} ${url}`
    if (name === undefined) throw new Error(`${route} has no config.policy: name a rule, 'authenticated', 'in-handler' or 'public'`)
    if (!special.has(name) && !rules.has(name)) throw new Error(`${route} names the policy rule '${name}', which does not exist`)
    if (name !== 'public' && name !== 'loopback' && tokens === undefined) {
      throw new Error(`${route} needs a token (policy '${name}'), but the app was made without options.tokens`)
    }
  })
}

/** Token → identity → rule, before the body is read. Nothing to wait for is undefined: public routes and known tokens cost no promise. */
export function admit(request: FastifyRequest, policy: Policy | undefined, tokens: TokenValidator | undefined): Promise<void> | undefined {
  const state = stateOf(request)
  const name = state?.policy
  if (name === 'public') return undefined
  if (state === undefined || name === undefined) throw new Error('a route without policy was reached')
  if (name === 'loopback' && !state.forwarded && isLoopback(request.socket.remoteAddress)) return undefined
  if (tokens === undefined) throw new Unauthenticated()
  const token = tokenOf(request)
  const permit = (identity: Identity): void => {
    state.identity = identity
    if (!special.has(name)) authorize(request, policy, name, request.params as Record<string, unknown>)
  }
  // The usual token was seen before: nothing to wait for.
  const known = tokens.known?.(token)
  if (known === undefined) return tokens.validate(token).then(permit)
  permit(known)
  return undefined
}

/** Throws 403 naming the rule: operators look for it in their policy file. */
export function authorize(
  request: FastifyRequest,
  policy: Policy | undefined,
  rule: string,
  target: Readonly<Record<string, unknown>> | undefined,
): void {
  const state = stateOf(request)
  const identity = state?.identity
  if (state === undefined || identity === undefined) throw new Unauthenticated()
  if (policy === undefined || !policy.allows(rule, identity, target ?? {})) {
    throw new ApiError(403, 'forbidden', `You are not authorized to perform the requested action: ${rule}.`)
  }
  state.authorized = true
}

function tokenOf(request: FastifyRequest): string {
  const token = request.headers['x-auth-token']
  if (typeof token !== 'string' || token === '') {
    throw new Unauthenticated('Authentication required: send a token in X-Auth-Token.')
  }
  if (token.length > maxTokenBytes) throw new Unauthenticated()
  return token
}

/** Loopback of either family; an IPv4 caller on a dual-stack socket shows as `::ffff:127.0.0.1`. */
export const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && (address === '::1' || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/.test(address))
