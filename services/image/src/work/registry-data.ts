import type { Site } from '@murmuration/site'
import { NetworkError, type HttpResponse } from '@murmuration/world'
import { errors } from '../errors.ts'
import { signatures } from '../rules/commands.ts'
import { ourselves, type Caller } from '../store/caller.ts'
import type { CommandName, ImageData } from '../store/image-data.ts'
import { decode, decodeFailure, encode, Moment } from '../wire/rpc.ts'

const deadlineMs = 60_000
/** Who asks whether we are ready waits no longer. */
const pingDeadlineMs = 2_000
/** A thousand images with all that they may have. */
const maxAnswerBytes = 128 * 1024 * 1024

export type RegistrySite = Pick<Site, 'world' | 'config' | 'session'>

/**
 * The data layer of a node without a database: every command is a call of the registry, with the caller's own token for who asks and the
 * node's for that it may. What no user asked is asked with the node's alone.
 */
export function createRegistryData(site: RegistrySite): ImageData & { ping(): Promise<void> } {
  const { world, config, session } = site
  const url = `${config.image.registryUrl}/rpc`

  async function send(caller: Caller, command: string, kwargs: unknown, withinMs = deadlineMs): Promise<HttpResponse> {
    const token = await session.token(withinMs)
    const ca = await world.files.read(config.tls.caFile)
    const answer = await world.net.request({
      method: 'POST',
      url,
      headers: {
        'content-type': 'application/json',
        'x-auth-token': caller === ourselves ? token : (caller.token ?? token),
        'x-service-token': token,
        ...(caller.requestId === undefined ? {} : { 'x-openstack-request-id': caller.requestId }),
      },
      body: JSON.stringify([{ command, kwargs: encode(kwargs) }]),
      deadlineMs: withinMs,
      maxResponseBytes: maxAnswerBytes,
      ...(ca === undefined ? {} : { tls: { ca: Buffer.from(ca).toString() } }),
    })
    if (answer.status === 401) session.invalidate(token)
    return answer
  }

  async function call(caller: Caller, command: string, kwargs: unknown, withinMs?: number): Promise<unknown> {
    let answer: HttpResponse
    try {
      answer = await send(caller, command, kwargs, withinMs)
      // Once more with a new token of ours; nothing was run yet.
      if (answer.status === 401) answer = await send(caller, command, kwargs, withinMs)
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      throw errors.registryDown({}, { cause: error })
    }
    if (answer.status === 401) throw errors.registryUnauthenticated()
    if (answer.status !== 200) throw errors.registryRefused({ status: answer.status })
    const [result] = JSON.parse(Buffer.from(answer.body).toString()) as unknown[]
    const failure = decodeFailure(result)
    if (failure !== undefined) throw failure
    const decoded = decode(result)
    return decoded instanceof Moment ? decoded.text : decoded
  }

  const commands = Object.keys(signatures) as CommandName[]
  const data = Object.fromEntries(
    commands.map((command) => [command, (caller: Caller, kwargs: unknown) => call(caller, command, kwargs)]),
  ) as unknown as ImageData
  return {
    ...data,
    // The way of every question: reached, our account taken, its database answering. No image has this id.
    ping: async () => void (await call(ourselves, 'image_tag_get_all', { image_id: '' }, pingDeadlineMs)),
  }
}
