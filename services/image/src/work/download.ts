import { NetworkError, type StreamResponse, type World } from '@murmuration/world'
import { addressProblem, hostOf, readSource, type SourceRules } from '../rules/import-source.ts'

/** An image can not be had from there. `final`: another attempt would find the same. */
export class SourceFailed extends Error {
  readonly final: boolean
  constructor(message: string, final: boolean, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SourceFailed'
    this.final = final
  }
}

export interface Source {
  /** Bytes that the other side says will come; believed only where it is too much. */
  readonly stated: number | undefined
  readonly pieces: AsyncIterable<Uint8Array>
  discard(): void
}

export const hopsMost = 3
export const resolveMs = 10_000
export const answerMs = 30_000
export const stallMs = 60_000
/** Over each minute: a source that drips would keep its place for ever. */
export const slowestBytesPerMinute = 64 * 1024
const minuteMs = 60_000
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Where to connect for a URL, after everything about it was judged: form, scheme, host, port, and every address that the name has now. Null
 * when the name has none at the moment. Throws SourceFailed where it must not be fetched.
 */
export async function judgeSource(
  { net }: Pick<World, 'net'>,
  rules: SourceRules,
  uri: string,
): Promise<{ readonly url: URL; readonly address: string } | null> {
  const url = readSource(uri, rules)
  if (!(url instanceof URL)) throw new SourceFailed(url, true)
  const addresses = await net.resolve(hostOf(url), resolveMs).catch((error: unknown) => {
    if (!(error instanceof NetworkError)) throw error
    return []
  })
  for (const address of addresses) {
    const problem = addressProblem(address, rules)
    if (problem !== undefined) throw new SourceFailed(problem, true)
  }
  const [address] = addresses
  return address === undefined ? null : { url, address }
}

/**
 * The bytes behind a URL that a caller chose. Each hop is judged anew and its connection goes to the very address that was judged, whatever
 * the name says a moment later; nothing of ours is sent along (attacks 13, 14).
 */
export async function openSource(
  world: Pick<World, 'net' | 'clock'>,
  rules: SourceRules,
  uri: string,
  signal: AbortSignal,
): Promise<Source> {
  let next = uri
  for (let hop = 0; ; hop += 1) {
    const place = await judgeSource(world, rules, next)
    if (place === null) throw new SourceFailed('the name of the host can not be resolved', false)
    const answer = await ask(world, place.url, place.address, signal)
    const location = answer.headers['location']
    if (!redirects.has(answer.status) || location === undefined) return readAnswer(world, answer)
    answer.discard()
    if (hop >= hopsMost) throw new SourceFailed(`more than ${hopsMost} redirects`, true)
    const to = URL.parse(location, place.url.href)
    // As it was written where it is absolute: its form is judged too.
    next = /^[a-z][a-z0-9+.-]*:/i.test(location) ? location : (to?.href ?? '')
  }
}

async function ask({ net }: Pick<World, 'net'>, url: URL, address: string, signal: AbortSignal): Promise<StreamResponse> {
  const fragmentless = url.href.replace(/#.*$/s, '')
  try {
    return await net.stream({
      method: 'GET',
      url: fragmentless,
      headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'murmuration-image' },
      deadlineMs: answerMs,
      stallMs,
      address,
      signal,
    })
  } catch (error) {
    throw failed(error)
  }
}

function readAnswer(world: Pick<World, 'clock'>, answer: StreamResponse): Source {
  const { status, headers } = answer
  const refuse = (why: string, final: boolean): never => {
    answer.discard()
    throw new SourceFailed(why, final)
  }
  if (status !== 200) refuse(`the source answered with status ${status}`, status < 500 && status !== 408 && status !== 429)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') refuse('the source sends compressed data although it was asked not to', true)
  const length = headers['content-length']
  const stated = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
  return { stated, pieces: steady(world, answer.body), discard: () => answer.discard() }
}

async function* steady({ clock }: Pick<World, 'clock'>, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sinceMs = clock.monotonicMs()
  let bytes = 0
  try {
    for await (const piece of body) {
      bytes += piece.length
      const nowMs = clock.monotonicMs()
      if (nowMs - sinceMs >= minuteMs) {
        if (bytes < slowestBytesPerMinute) throw new SourceFailed('the source sends too slowly', true)
        sinceMs = nowMs
        bytes = 0
      }
      yield piece
      // What we did with it is no time of the source's.
      sinceMs += clock.monotonicMs() - nowMs
    }
  } catch (error) {
    throw failed(error)
  }
}

function failed(error: unknown): unknown {
  if (!(error instanceof NetworkError)) return error
  const why = {
    refused: 'nobody answers at the source',
    timeout: 'the source does not answer in time',
    reset: 'the connection to the source broke',
    tls: 'the certificate of the source is not accepted',
    protocol: 'the source does not speak HTTP',
    dns: 'the name of the host can not be resolved',
    aborted: 'the download was given up',
    'too-large': 'the source sends too much',
  }[error.code]
  return error.code === 'aborted' ? error : new SourceFailed(why, error.code === 'tls' || error.code === 'protocol', { cause: error })
}
