import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Stream, StreamAddress } from '../world.ts'

/** Small commands must not wait for each other: Nagle's algorithm is off. */
export function connectStream({ host, port, tls }: StreamAddress): Stream {
  const socket = tls
    ? connectTls({
        host,
        port,
        servername: tls.serverName ?? host,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: tls.key }),
      })
    : connectPlain({ host, port })
  socket.setNoDelay(true)
  return socket
}
