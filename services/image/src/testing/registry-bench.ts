import { createRegistryApp, type Exposed } from '../api/registry.ts'
import { exposed } from '../service.ts'
import type { Caller } from '../store/caller.ts'
import { createDirectData } from '../store/direct.ts'
import type { CommandName, ImageData } from '../store/image-data.ts'
import type { ImageDatabase } from '../store/schema.ts'
import { decode, encode, encodeFailure } from '../wire/rpc.ts'
import { steppingWorld } from './engines.ts'
import { identityOf } from './test-site.ts'

/** What the scenarios speak to: the registry's own HTTP, nothing behind it. */
export interface RegistryBench {
  /** The answer to one command; fails when it is an error. */
  // oxlint-disable-next-line typescript/no-explicit-any -- scenarios look into any answer
  readonly rpc: (command: string, kwargs?: object, as?: string) => Promise<any>
  /** The class of the error that it answers. */
  readonly failure: (command: string, kwargs: object, as?: string) => Promise<string>
  /** The whole exchange. */
  readonly post: (body: unknown, headers?: Readonly<Record<string, string>>) => Promise<{ status: number; body: any }> // oxlint-disable-line typescript/no-explicit-any
  /** A time as the wire has it, seconds after the set-up. */
  readonly at: (seconds: number) => { _type: 'datetime'; _value: string }
  readonly world: ReturnType<typeof steppingWorld>
}

export const startMs = Date.UTC(2031, 4, 4, 10, 11, 12)
export const admin = 'admin@admin'

export async function openRegistry(database: ImageDatabase): Promise<RegistryBench> {
  const world = steppingWorld(startMs)
  return registryOver(world, exposed(createDirectData(database, world, { storageBytes: 0, count: 0 })))
}

export async function registryOver(
  world: ReturnType<typeof steppingWorld>,
  commands: Readonly<Record<string, Exposed>>,
): Promise<RegistryBench> {
  const app = await createRegistryApp({
    site: { world, config: { identity: { url: 'http://identity.test/v3' } } as never },
    tokens: { validate: async (token) => identityOf(token) },
    commands,
    ready: async () => undefined,
  })
  const endpoint = await app.endpoint()
  const post: RegistryBench['post'] = async (body, headers = {}) => {
    const answer = await endpoint.inject({
      method: 'POST',
      url: 'http://registry.test:9191/rpc',
      headers: { 'content-type': 'application/json', 'x-auth-token': admin, 'x-service-token': 'service@services', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      deadlineMs: 30_000,
    })
    const text = Buffer.from(answer.body).toString()
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) }
  }
  const first = async (command: string, kwargs: object | undefined, as: string) => {
    const { status, body } = await post([kwargs === undefined ? { command } : { command, kwargs }], { 'x-auth-token': as })
    if (status !== 200) throw new Error(`POST /rpc answered ${status}: ${JSON.stringify(body)}`)
    return body[0]
  }
  return {
    world,
    post,
    async rpc(command, kwargs, as = admin) {
      const result = await first(command, kwargs, as)
      if (result?._error !== undefined) throw new Error(`${command}: ${result._error.cls}: ${result._error.val}`)
      return result
    },
    async failure(command, kwargs, as = admin) {
      const result = await first(command, kwargs, as)
      if (result?._error === undefined) throw new Error(`${command} was not refused: ${JSON.stringify(result)}`)
      return result._error.cls as string
    },
    at,
  }
}

/** The same without HTTP, for who runs the scenarios a hundred times: values are encoded and decoded as on the wire. */
export function benchOver(world: ReturnType<typeof steppingWorld>, data: ImageData): RegistryBench {
  const call = async (command: string, kwargs: object = {}, as = admin): Promise<unknown> => {
    const { roles, projectId } = identityOf(as)
    const caller: Caller = { isAdmin: roles.includes('admin'), owner: projectId ?? null, userId: as }
    const wanted = decode(JSON.parse(JSON.stringify(kwargs))) as never
    return JSON.parse(JSON.stringify(encode(await data[command as CommandName](caller, wanted))))
  }
  return {
    world,
    post: () => Promise.reject(new Error('there is no HTTP here')),
    rpc: call,
    async failure(command, kwargs, as) {
      try {
        await call(command, kwargs, as)
      } catch (error) {
        return encodeFailure(error)._error.cls
      }
      throw new Error(`${command} was not refused`)
    },
    at,
  }
}

const at = (seconds: number) => ({ _type: 'datetime' as const, _value: new Date(startMs + seconds * 1000).toISOString().slice(0, 19) })
