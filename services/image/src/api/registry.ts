import { createApp, imageFaults, Unauthenticated, type App, type Identity, type TokenValidator } from '@murmuration/http'
import type { Site } from '@murmuration/site'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { argumentProblem, type Signature } from '../rules/commands.ts'
import { DataRefused } from '../rules/refusals.ts'
import { ourselves, type Caller } from '../store/caller.ts'
import { decode, encode, encodeFailure } from '../wire/rpc.ts'
import { callerOf } from './context.ts'

/** One command that may be called from outside. */
export interface Exposed {
  readonly signature: Signature
  run(caller: Caller, kwargs: Readonly<Record<string, unknown>>): Promise<unknown>
}

export interface RegistryOptions {
  readonly site: Pick<Site, 'world' | 'config'>
  readonly tokens: TokenValidator
  readonly commands: Readonly<Record<string, Exposed>>
  readonly ready: () => Promise<void>
}

/** Commands of one request. */
const batchMost = 1_000
const bodyMostBytes = 8 * 1024 * 1024

interface Call {
  readonly name: string
  readonly exposed: Exposed
  /** Null goes through to the command, which can't take it. */
  readonly kwargs: Readonly<Record<string, unknown>> | null
}

/**
 * The registry: the data layer for API nodes that have no database (reference image §2). The caller's own token says who asks; a second
 * one, of a service account, says that an API node of ours is asking. Nothing is believed of headers.
 */
export async function createRegistryApp(options: RegistryOptions): Promise<App> {
  const { site, tokens, commands } = options
  const app = await createApp({
    world: site.world,
    service: 'image-registry',
    faults: imageFaults,
    tokens,
    bodyLimitBytes: bodyMostBytes,
    identityUrl: site.config.identity.url,
    ready: { database: options.ready },
  })
  app.post(
    '/rpc',
    {
      config: { policy: 'authenticated' },
      // Before the body is read, like everything that needs no body to be decided.
      onRequest: (request) => requireService(request, tokens),
      schema: { summary: 'Call commands of the data layer, in order', body: Type.Unsafe<unknown>({}) },
    },
    async (request) => {
      // All of them are judged before any is run.
      const calls = readBatch(request.body, commands)
      const asked = callerOf(request)
      // A service that asks with nobody's token but its own asks for itself.
      const caller = asked.token === request.headers['x-service-token'] ? { ...asked, ...ourselves } : asked
      const results: unknown[] = []
      for (const call of calls) results.push(await answerTo(site, caller, call))
      return results
    },
  )
  return app
}

async function requireService(request: FastifyRequest, tokens: TokenValidator): Promise<void> {
  const token = request.headers['x-service-token']
  if (typeof token !== 'string' || token === '') throw new Unauthenticated('The registry is for services: send a token in X-Service-Token.')
  if (!isService(await tokens.validate(token))) throw errors.forbidden({ why: 'The registry is for services of this site.' })
}

const isService = ({ roles, projectName }: Identity): boolean =>
  roles.includes('service') || (roles.includes('admin') && projectName === 'services')

function readBatch(body: unknown, commands: Readonly<Record<string, Exposed>>): Call[] {
  if (!Array.isArray(body)) throw errors.badRequest({ why: 'Request must be a list of commands.' })
  if (body.length > batchMost) throw errors.badRequest({ why: `A request holds at most ${batchMost} commands.` })
  const calls = body.map((raw: unknown) => {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw errors.badRequest({ why: 'A command must be an object.' })
    const { command: name, kwargs } = raw as { command?: unknown; kwargs?: unknown }
    if (typeof name !== 'string') throw errors.badRequest({ why: 'A command needs its name, a text, as "command".' })
    if (
      kwargs !== undefined &&
      kwargs !== null &&
      kwargs !== false &&
      kwargs !== 0 &&
      kwargs !== '' &&
      (typeof kwargs !== 'object' || Array.isArray(kwargs))
    )
      throw errors.badRequest({ why: 'The arguments of a command, "kwargs", must be an object.' })
    return { name, kwargs: kwargs === undefined ? {} : ((typeof kwargs === 'object' ? kwargs : null) as Call['kwargs']) }
  })
  return calls.map(({ name, kwargs }) => {
    const exposed = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (exposed === undefined) throw errors.notFound({ what: `There is no command '${name.slice(0, 64)}'.` })
    return { name, exposed, kwargs }
  })
}

async function answerTo({ world }: RegistryOptions['site'], caller: Caller, { name, exposed, kwargs }: Call): Promise<unknown> {
  try {
    if (kwargs === null) throw new DataRefused('TypeError', `${name}() argument after ** must be a mapping`)
    const wanted = decode(kwargs) as Record<string, unknown>
    const problem = argumentProblem(name, exposed.signature, wanted)
    if (problem !== undefined) throw problem
    return encode(await exposed.run(caller, wanted))
  } catch (error) {
    if (!(error instanceof DataRefused)) world.log.error('a command of the registry failed', { command: name, error })
    return encodeFailure(error)
  }
}
