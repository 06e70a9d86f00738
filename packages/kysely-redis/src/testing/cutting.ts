import { connect, type Socket as NodeSocket } from 'node:net'
import type { Environment, Socket } from '../options.ts'
import { nodeEnvironment } from '../node.ts'

/** Sockets that break where a test wants them to: after so many bytes sent or received since `arm`. */
export class Scissors {
  readonly environment: Environment = {
    ...nodeEnvironment,
    // Thousands of cuts: nobody needs to wait for a server that is there.
    sleep: (durationMs, signal) => nodeEnvironment.sleep(Math.min(durationMs, 2), signal),
    connect: (address) => this.#connect(address.host, this.port ?? address.port),
  }
  /** Where connections go from now on, whatever the URL says: an address that moves from server to server. */
  port: number | undefined
  /** Connections are refused from the cut on. */
  refuse = false
  #sendLeft = Number.POSITIVE_INFINITY
  #receiveLeft = Number.POSITIVE_INFINITY
  /** Bytes since `arm`. */
  sent = 0
  received = 0
  cuts = 0
  #dead = false

  arm(direction: 'send' | 'receive' | 'none', bytes: number, refuse = false): void {
    this.#sendLeft = direction === 'send' ? bytes : Number.POSITIVE_INFINITY
    this.#receiveLeft = direction === 'receive' ? bytes : Number.POSITIVE_INFINITY
    this.refuse = refuse
    this.#dead = false
    this.sent = 0
    this.received = 0
  }

  #cut(socket: NodeSocket): void {
    this.cuts++
    this.#sendLeft = this.#receiveLeft = Number.POSITIVE_INFINITY
    this.#dead = this.refuse
    // What was written so far still arrives: end, not reset.
    socket.end()
    socket.destroySoon()
  }

  #connect(host: string, port: number): Socket {
    const socket = connect({ host, port, noDelay: true })
    if (this.#dead) socket.destroy(new Error('refused by the test'))
    const write = (data: Uint8Array | string): void => {
      const bytes = Buffer.from(data as string)
      this.sent += bytes.length
      if (bytes.length < this.#sendLeft) {
        this.#sendLeft -= bytes.length
        socket.write(bytes)
        return
      }
      socket.write(bytes.subarray(0, this.#sendLeft))
      this.#cut(socket)
    }
    const on = (event: string, then: (argument: never) => void): void => {
      if (event !== 'data') return void socket.on(event as 'error', then as never)
      socket.on('data', (chunk: Buffer) => {
        this.received += chunk.length
        if (chunk.length < this.#receiveLeft) {
          this.#receiveLeft -= chunk.length
          then(chunk as never)
          return
        }
        then(chunk.subarray(0, this.#receiveLeft) as never)
        this.#cut(socket)
      })
    }
    return { write, on, destroy: () => socket.destroy() }
  }
}
