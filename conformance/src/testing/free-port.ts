import { createServer } from 'node:net'
import { randomInt } from 'node:crypto'

/** A port that nobody listens on now, below the range from which the system takes ports for outgoing connections. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(20_000, 32_000)
    const server = createServer()
    const free = await new Promise<boolean>((done) => {
      server.once('error', () => done(false))
      server.listen(port, host, () => server.close(() => done(true)))
    })
    if (free) return port
  }
  throw new Error(`no free port on ${host}`)
}
