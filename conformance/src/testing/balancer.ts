import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Balancer {
  close(): Promise<void>
}

/**
 * As small as a balancer can be: connections to `host:port` go to the backends in turn, past those that refuse. One that dies
 * takes its connections with it, as with any balancer of this kind: callers see a reset.
 */
export async function startBalancer(host: string, ports: readonly number[], backends: readonly string[]): Promise<Balancer> {
  const sockets = new Set<Socket>()
  let turn = 0
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => sockets.delete(socket))
    return socket
  }

  const join = (client: Socket, port: number, left: readonly string[]): void => {
    const [backend, ...others] = left
    if (backend === undefined) return void client.destroy()
    const server = keep(connect(port, backend))
    let connected = false
    server.once('connect', () => {
      connected = true
      client.pipe(server)
      server.pipe(client)
    })
    server.once('error', () => (connected ? client.resetAndDestroy() : join(client, port, others)))
    client.once('close', () => server.destroy())
    server.once('close', () => connected && client.destroy())
  }

  const servers = await Promise.all(
    ports.map(
      (port) =>
        new Promise<Server>((resolve, reject) => {
          const server = createServer({ allowHalfOpen: true }, (client) => {
            keep(client).on('error', () => client.destroy())
            turn += 1
            join(client, port, [...backends.slice(turn % backends.length), ...backends.slice(0, turn % backends.length)])
          })
          server.once('error', reject)
          server.listen(port, host, () => resolve(server))
        }),
    ),
  )
  return {
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
    },
  }
}
