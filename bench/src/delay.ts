import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Delay {
  readonly port: number
  /** Milliseconds in each direction; for bytes that arrive from now on. */
  oneWayMs: number
  close(): void
}

/** A TCP proxy that holds every byte for a while, in both directions and in order: a line of some length. */
export async function delayTo(port: number): Promise<Delay> {
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port, noDelay: true })
    near.setNoDelay(true)
    forward(near, far)
    forward(far, near)
  })
  const delay = {
    port: 0,
    oneWayMs: 0,
    close(): void {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from)
    const pass = (chunk: Buffer): void => void (to.writable && to.write(chunk))
    from.on('data', (chunk: Buffer) => (delay.oneWayMs === 0 ? pass(chunk) : setTimeout(pass, delay.oneWayMs, chunk)))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      setTimeout(() => to.destroy(), delay.oneWayMs)
    })
  }
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  delay.port = (server.address() as AddressInfo).port
  return delay
}
