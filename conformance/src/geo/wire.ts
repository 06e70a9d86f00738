import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Fleet } from '../testing/fleet.ts'

/** What one controller calls another one through. A subcloud's network is another one. */
export interface Wire {
  /** Where Keystone of the far end is, as seen from here. */
  readonly authUrl: string
  /** From now on what is sent is lost without a word, on connections that are there too. */
  cut(): void
  /** Whole again: what was lost stays lost. */
  mend(): void
  /** While set, the far end looks like a controller of before revisions and ownership: it neither hears nor says them. */
  old(is: boolean): void
  /** Each request sets out so much later, which leaves room to do something between two of them. */
  slow(ms: number): void
  close(): Promise<void>
}

const ports = [5000, 6385, 8119]
const ours = /^murmuration-/

/** A way to a controller, at an address of its own; its catalog says that everything else is behind this address too. */
export async function startWire(to: Fleet, address: string): Promise<Wire> {
  const held = new Set<ServerResponse>()
  let isCut = false
  let isOld = false
  let laterMs = 0
  let askedNew = false

  const answer = (from: IncomingMessage, reply: ServerResponse, body: Buffer): void => {
    if (isCut) return void held.add(reply)
    const headers = { ...from.headers }
    const isJson = headers['content-type']?.includes('json') ?? false
    const text = isJson ? body.toString().replaceAll(`//${to.address}:`, `//${address}:`) : undefined
    const data = text === undefined ? body : Buffer.from(isOld ? JSON.stringify(without(JSON.parse(text))) : text)
    delete headers['transfer-encoding']
    reply.writeHead(from.statusCode ?? 502, { ...headers, 'content-length': data.length }).end(data)
  }
  const carry = (port: number) => (asked: IncomingMessage, reply: ServerResponse) => {
    if (isCut) return void held.add(reply)
    // It has no such path, as no stock peer has; and nobody who looked asks for it.
    if (isOld && asked.url?.endsWith('/standby-copies') === true) askedNew = true
    const headers = Object.fromEntries(Object.entries(asked.headers).filter(([name]) => !isOld || !ours.test(name)))
    const there = request({ host: to.address, port, method: asked.method, path: asked.url, headers }, (from) => {
      const parts: Buffer[] = []
      from.on('data', (part: Buffer) => parts.push(part))
      from.on('end', () => answer(from, reply, Buffer.concat(parts)))
      from.on('error', () => reply.destroy())
    })
    there.on('error', () => reply.destroy())
    if (laterMs > 0) setTimeout(() => asked.pipe(there), laterMs)
    else asked.pipe(there)
  }

  const servers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<Server>((resolve, reject) => {
          const server = createServer(carry(port))
          server.once('error', reject)
          server.listen(port, address, () => resolve(server))
        }),
    ),
  )
  return {
    authUrl: to.authUrl.replace(to.address, address),
    cut: () => void (isCut = true),
    mend() {
      isCut = false
      for (const reply of held) reply.destroy()
      held.clear()
    },
    old(is) {
      if (askedNew) throw new Error('a controller was asked for what one of its release does not have')
      isOld = is
    },
    slow: (ms) => void (laterMs = ms),
    async close() {
      for (const server of servers) server.closeAllConnections()
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
    },
  }
}

/** The same without the members that are ours. */
function without(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(without)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !ours.test(name))
      .map(([name, member]) => [name, without(member)]),
  )
}
