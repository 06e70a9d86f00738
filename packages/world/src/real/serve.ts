import { createServer as createHttpServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Endpoint, ListenAddress, Listening, Log } from '../world.ts'
import type { NetworkLimits } from './network.ts'
import { openCertificate } from './certificate.ts'

/** Long enough for a Keystone token and a chain of proxies, short enough not to be a lever. */
const maxHeaderBytes = 32_768
const headersTimeoutMs = 15_000
/** From the first byte to the last of one request, unless the address is for long ones. */
const requestTimeoutMs = 300_000
/** Longer than what clients keep (30 s), so that it is the client who closes and no request meets a closing connection. */
const keepAliveTimeoutMs = 75_000
const handshakeTimeoutMs = 10_000
const defaultGraceMs = 10_000
const idleSweepMs = 50

const options: ServerOptions = {
  maxHeaderSize: maxHeaderBytes,
  headersTimeout: headersTimeoutMs,
  requestTimeout: requestTimeoutMs,
  keepAliveTimeout: keepAliveTimeoutMs,
  connectionsCheckingInterval: 5_000,
  noDelay: true,
}

export async function serve(address: ListenAddress, endpoint: Endpoint, limits: NetworkLimits, log: Log): Promise<Listening> {
  const certificate = address.tls === undefined ? undefined : await openCertificate(address.tls)
  const timed = address.longRequests === true ? { ...options, requestTimeout: 0 } : options
  const server =
    certificate === undefined
      ? createHttpServer(timed)
      : createHttpsServer({ ...timed, ...certificate.options, handshakeTimeout: handshakeTimeoutMs })
  server.maxConnections = limits.maxServerConnections
  server.on('request', (request, response) => endpoint.handle(request, response))
  const sockets = trackSockets(server)

  await listen(server, address)
  const stopWatching = certificate?.watch(server, limits.certificateCheckMs, log)
  const { port } = server.address() as AddressInfo

  let closed: Promise<void> | undefined
  return {
    host: address.host,
    port,
    close(graceMs = defaultGraceMs) {
      if (closed !== undefined) return closed
      stopWatching?.()
      closed = closeGently(server, sockets, graceMs)
      endpoint.ending?.()
      return closed
    },
  }
}

function listen(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const error = new Error(`cannot listen on ${address.host}:${address.port} (${cause.code}): is the address ours and the port free?`, {
        cause,
      })
      reject(Object.assign(error, { code: cause.code }))
    })
    server.listen({ host: address.host, port: address.port }, () => {
      server.removeAllListeners('error')
      // Accepting may fail later (out of descriptors); that costs one connection, not the process.
      server.on('error', () => {})
      resolve()
    })
  })
}

/** Node's own list knows a TLS connection only after its handshake; all of them must be gone in the end. */
function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

function closeGently(server: Server, sockets: Set<Socket>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      clearInterval(sweep)
      clearTimeout(force)
      resolve()
    })
    // A kept connection becomes idle when its running request is answered; nobody tells us, so we look.
    const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs)
    const force = setTimeout(() => {
      server.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    }, graceMs)
  })
}
