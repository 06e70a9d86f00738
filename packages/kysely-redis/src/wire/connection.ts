import type { Address, Environment, Socket } from '../options.ts'
import type { NearCache } from './near-cache.ts'
import { encodeCommand, ReplyError, RespReader, type Reply } from './resp.ts'

/** The connection ended. `sent` says whether the command may have reached the server. */
export class ConnectionLost extends Error {
  readonly sent: boolean
  constructor(why: string, sent: boolean) {
    super(why)
    this.name = 'ConnectionLost'
    this.sent = sent
  }
}

export interface Credentials {
  readonly username?: string
  readonly password?: string
  readonly database?: number
  readonly clientName?: string
}

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
  readonly sinceMs: number
}

/** One socket with pipelined commands. It never reconnects: whoever holds it opens another. */
export class Connection {
  readonly #environment: Environment
  readonly #socket: Socket
  readonly #timeoutMs: number
  readonly #waiting: Waiting[] = []
  #head = 0
  #out = ''
  #closed: string | undefined
  #watching = false
  readonly #closing = new AbortController()
  /** What was read through it, when the dialect keeps such. */
  cache: NearCache | undefined
  /** Which history of the data the server tells: another one after a promotion or a restart, which may have lost the end of the one before. */
  history = ''
  /** When anything came from the server last. */
  heardMs = Number.NEGATIVE_INFINITY

  constructor(environment: Environment, address: Address, timeoutMs: number) {
    this.#environment = environment
    this.#timeoutMs = timeoutMs
    const reader = new RespReader(
      (reply) => this.#received(reply),
      (message) => this.#told(message),
    )
    this.#socket = environment.connect(address)
    this.#socket.unref?.()
    this.#socket.on('data', (chunk) => {
      this.heardMs = environment.monotonicMs()
      try {
        reader.feed(chunk)
      } catch (error) {
        this.#end((error as Error).message)
      }
    })
    this.#socket.on('error', (error) => this.#end(error.message))
    this.#socket.on('close', () => this.#end('the server closed the connection'))
  }

  get closed(): boolean {
    return this.#closed !== undefined
  }

  /** Introduces itself. Rejects when the server refuses. */
  async greet(credentials: Credentials): Promise<void> {
    const { username = 'default', password, database = 0, clientName } = credentials
    const hello = await this.send([
      'HELLO',
      '3',
      ...(password === undefined ? [] : ['AUTH', username, password]),
      ...(clientName === undefined ? [] : ['SETNAME', clientName]),
    ])
    if (hello instanceof ReplyError) throw hello
    this.history = /master_replid:(\w+)/.exec(String(await this.send(['INFO', 'replication'])))?.[1] ?? ''
    if (database === 0) return
    const selected = await this.send(['SELECT', database])
    if (selected instanceof ReplyError) throw selected
  }

  /** From now on the server tells which keys change that begin so. Redis 7.0 does not note what a function reads, so all of them. */
  async track(cache: NearCache, prefixes: readonly string[]): Promise<void> {
    const reply = await this.send(['CLIENT', 'TRACKING', 'ON', 'BCAST', ...prefixes.flatMap((prefix) => ['PREFIX', prefix])])
    if (reply instanceof ReplyError) throw reply
    this.cache = cache
  }

  /** Resolves with the reply, which may be an error of the server; rejects with ConnectionLost. */
  send(args: readonly (string | number)[]): Promise<Reply> {
    if (this.#closed !== undefined) return Promise.reject(new ConnectionLost(this.#closed, false))
    if (this.#out === '') queueMicrotask(() => this.#flush())
    this.#out += encodeCommand(args)
    const sinceMs = this.#environment.monotonicMs()
    if (this.#head === this.#waiting.length) this.#socket.ref?.()
    const reply = new Promise<Reply>((resolve, reject) => this.#waiting.push({ resolve, reject, sinceMs }))
    if (!this.#watching) void this.#watch()
    return reply
  }

  close(): void {
    this.#end('the connection was closed')
  }

  #flush(): void {
    const text = this.#out
    this.#out = ''
    if (this.#closed === undefined) this.#socket.write(text)
  }

  #told([what, keys]: Reply[]): void {
    if (what !== 'invalidate') return
    const all = keys === null || (keys as string[]).some((key) => key.endsWith(':cat'))
    this.cache?.invalidate(all ? null : (keys as string[]))
  }

  #received(reply: Reply): void {
    const waiting = this.#waiting[this.#head++]
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
    if (this.#head === this.#waiting.length) this.#socket.unref?.()
    waiting?.resolve(reply)
  }

  /** A server that stops answering, without closing, must not hold its callers for ever. */
  async #watch(): Promise<void> {
    this.#watching = true
    while (this.#head < this.#waiting.length && this.#closed === undefined) {
      await this.#environment.sleep(Math.max(1, this.#timeoutMs / 4), this.#closing.signal)
      const oldest = this.#waiting[this.#head]
      if (oldest && this.#environment.monotonicMs() - oldest.sinceMs > this.#timeoutMs) this.#end('the server does not answer')
    }
    this.#watching = false
  }

  #end(why: string): void {
    if (this.#closed !== undefined) return
    this.#closed = why
    this.cache?.invalidate(null)
    this.cache = undefined
    this.#closing.abort()
    this.#socket.destroy()
    const left = this.#waiting.splice(0).slice(this.#head)
    this.#head = 0
    for (const waiting of left) waiting.reject(new ConnectionLost(why, true))
  }
}
