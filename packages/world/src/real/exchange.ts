import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { NetworkError, type HttpRequest, type HttpResponse } from '../world.ts'
import { asNetworkError } from './network-errors.ts'
import type { OriginPool } from './pools.ts'

export const defaultMaxResponseBytes = 1_048_576

/** One request and its whole answer, within the deadline and the size that the caller allows. */
export function exchange(pool: OriginPool, url: URL, request: HttpRequest): Promise<HttpResponse> {
  const what = `${request.method} ${url.origin}`
  const maxBytes = request.maxResponseBytes ?? defaultMaxResponseBytes
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>()

  let controller: Dispatcher.DispatchController | undefined
  let failed: NetworkError | undefined
  let status = 0
  let headers: IncomingHttpHeaders = {}
  let chunks: Buffer[] = []
  let receivedBytes = 0

  const release = (): void => {
    clearTimeout(deadline)
    request.signal?.removeEventListener('abort', onAbort)
  }
  const fail = (error: NetworkError): void => {
    if (failed !== undefined) return
    failed = error
    chunks = []
    release()
    controller?.abort(error)
    reject(error)
  }
  const tooLarge = (): void => fail(new NetworkError('too-large', `${what}: the answer is larger than ${maxBytes} bytes`))
  const onAbort = (): void =>
    fail(new NetworkError('aborted', `${what}: the caller gave up waiting`, { cause: request.signal?.reason as unknown }))
  const deadline = setTimeout(
    () => fail(new NetworkError('timeout', `${what}: no complete answer within ${request.deadlineMs} ms`)),
    Math.min(Math.max(0, request.deadlineMs), 2 ** 31 - 1),
  )

  if (request.signal?.aborted) {
    onAbort()
    return promise
  }
  request.signal?.addEventListener('abort', onAbort, { once: true })

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started
      // It waited in line for a connection until its time was over: it is not sent at all.
      if (failed !== undefined) started.abort(failed)
    },
    onResponseStart(_controller, statusCode, responseHeaders) {
      if (statusCode < 200) return
      status = statusCode
      headers = responseHeaders
      if (request.method !== 'HEAD' && Number(headers['content-length'] ?? 0) > maxBytes) tooLarge()
    },
    onResponseData(_controller, chunk) {
      receivedBytes += chunk.length
      if (receivedBytes > maxBytes) tooLarge()
      else if (failed === undefined) chunks.push(chunk)
    },
    onResponseEnd() {
      if (failed !== undefined) return
      release()
      resolve({
        status,
        headers: joined(headers),
        body: bytes(chunks),
        ...(pool.peerCertificateNotAfterMs === undefined ? {} : { peerCertificateNotAfterMs: pool.peerCertificateNotAfterMs }),
      })
    },
    onResponseError(_controller, error) {
      fail(asNetworkError(what, error))
    },
  }

  try {
    pool.dispatcher.dispatch(
      {
        path: `${url.pathname}${url.search}`,
        method: request.method,
        headers: { ...request.headers },
        body: request.body ?? null,
        // Undici repeats idempotent requests on its own when a kept connection turns out to be closed; the caller decides that here.
        idempotent: false,
        reset: request.oneOff === true,
      },
      handler,
    )
  } catch (error) {
    fail(asNetworkError(what, error))
  }
  return promise
}

export function joined(headers: IncomingHttpHeaders): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value
  }
  return result
}

function bytes(chunks: Buffer[]): Uint8Array {
  const all = Buffer.concat(chunks)
  return new Uint8Array(all.buffer, all.byteOffset, all.byteLength)
}
