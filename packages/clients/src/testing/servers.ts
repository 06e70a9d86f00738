import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority, type Authority } from '@murmuration/trust'
import { createRealWorld, type Clock, type TlsIdentity, type World } from '@murmuration/world'

export type Handler = (request: IncomingMessage & { text: string }, response: ServerResponse) => void

export interface Server {
  readonly port: number
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers']; text: string }[]
  handle: Handler
}

export interface TestNet extends AsyncDisposable {
  readonly world: World
  /** Moves both clocks of `world`. */
  advance(ms: number): void
  readonly authority: Authority
  /** A certificate under the authority for 127.0.0.1. */
  identity(from?: Authority): Promise<TlsIdentity>
  otherAuthority(): Promise<Authority>
  plain(handle: Handler): Promise<Server>
  mutualTls(handle: Handler): Promise<Server>
}

/** Real listeners on free ports, and a certificate authority of the test's own. */
export async function openTestNet(): Promise<TestNet> {
  const folder = await mkdtemp(join(tmpdir(), 'murmuration-clients-'))
  const real = createRealWorld({ log: { level: 'silent' } })
  let aheadMs = 0
  const clock: Clock = { nowMs: () => real.clock.nowMs() + aheadMs, monotonicMs: () => real.clock.monotonicMs() + aheadMs }
  const world: World = { ...real, clock }
  const authority = await createAuthority(real, join(folder, 'ca'), 'test authority')
  const closing: (() => Promise<void>)[] = []

  const serve = async (handle: Handler, tls: boolean): Promise<Server> => {
    const server: Server & { port: number } = { port: 0, requests: [], handle }
    const files = { certFile: join(folder, 'site.pem'), keyFile: join(folder, 'site.key'), clientCaFile: join(folder, 'ca', 'ca.pem') }
    if (tls) {
      const issued = await authority.issue({ commonName: 'site', addresses: ['127.0.0.1'], usage: 'both', lifetimeMs: 3_600_000 })
      await real.files.write(files.certFile, issued.certificate)
      await real.files.write(files.keyFile, issued.privateKey)
    }
    const listening = await real.net.serve(
      { host: '127.0.0.1', port: 0, ...(tls ? { tls: files } : {}) },
      {
        handle(request, response) {
          const chunks: Buffer[] = []
          request.on('data', (chunk: Buffer) => chunks.push(chunk))
          request.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            server.requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, text })
            server.handle(Object.assign(request, { text }), response)
          })
        },
        inject: () => Promise.reject(new Error('not in this test')),
      },
    )
    closing.push(() => listening.close(0))
    return Object.assign(server, { port: listening.port })
  }

  return {
    world,
    advance: (ms) => void (aheadMs += ms),
    authority,
    async identity(from = authority) {
      const issued = await from.issue({ commonName: 'controller', addresses: ['127.0.0.1'], usage: 'both', lifetimeMs: 3_600_000 })
      return { ca: from.certificate, cert: issued.certificate, key: issued.privateKey }
    },
    otherAuthority: () => createAuthority(real, join(folder, 'other-ca'), 'other authority'),
    plain: (handle) => serve(handle, false),
    mutualTls: (handle) => serve(handle, true),
    async [Symbol.asyncDispose]() {
      await real.net.close()
      for (const close of closing) await close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function reply(response: ServerResponse, status: number, body?: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body))
}

/** A Keystone that gives numbered tokens: `token-1`, `token-2`, … */
export function keystone(options: { lifetimeMs?: number; password?: string; catalog?: unknown[]; nowMs?: () => number } = {}): Handler {
  let issued = 0
  return (request, response) => {
    if (request.url?.startsWith('/v3/auth/tokens') !== true || request.method !== 'POST') return reply(response, 404)
    const body = JSON.parse(request.text) as { auth: { identity: { password: { user: { password: string } } } } }
    if (body.auth.identity.password.user.password !== (options.password ?? 'secret')) return reply(response, 401)
    const nowMs = options.nowMs?.() ?? Date.now()
    const token = {
      issued_at: new Date(nowMs).toISOString(),
      expires_at: new Date(nowMs + (options.lifetimeMs ?? 3_600_000)).toISOString(),
      ...(options.catalog === undefined ? {} : { catalog: options.catalog }),
    }
    reply(response, 201, { token }, { 'x-subject-token': `token-${++issued}` })
  }
}
