import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { World } from '@murmuration/world'
import type { NatsTarget } from './url.ts'

const connectTimeoutMs = 3_000
const reconnectWaitMs = 200
const reconnectJitterMs = 300
const pingIntervalMs = 10_000

/** One connection that is kept for ever: lost ones are made again, and who listens is told of both. */
export class Connection {
  readonly #world: World
  readonly #target: NatsTarget
  readonly #name: string
  readonly #closing = new AbortController()
  readonly #first: Promise<void>
  readonly #onUp: ((nats: NatsConnection) => void)[] = []
  readonly #onDown: (() => void)[] = []
  #nats: NatsConnection | undefined
  #isUp = false

  constructor(world: World, target: NatsTarget, name: string) {
    this.#world = world
    this.#target = target
    this.#name = name
    this.#first = this.#connect()
  }

  /** The connection while it is up. */
  get up(): NatsConnection | undefined {
    return this.#isUp ? this.#nats : undefined
  }

  /** The connection once it was up; subscriptions made on it survive its losses. */
  get nats(): NatsConnection | undefined {
    return this.#nats
  }

  /** Called once, with the first connection (at once when it is there). */
  onceConnected(then: (nats: NatsConnection) => void): void {
    if (this.#nats === undefined) this.#onUp.push(then)
    else then(this.#nats)
  }

  /** Called at every loss. */
  onDown(then: () => void): void {
    this.#onDown.push(then)
  }

  async settledWithin(waitMs: number): Promise<void> {
    const enough = new AbortController()
    const sleep = this.#world.timers.sleep(waitMs, enough.signal).catch(() => {})
    await Promise.race([this.#first, sleep])
    enough.abort()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#down()
    await this.#first
    await this.#nats?.close()
  }

  async #connect(): Promise<void> {
    let failures = 0
    while (!this.#closing.signal.aborted) {
      try {
        const nats = await connect({
          servers: [...this.#target.servers],
          name: this.#name,
          timeout: connectTimeoutMs,
          ...(this.#target.user === undefined ? {} : { user: this.#target.user, pass: this.#target.password ?? '' }),
          maxReconnectAttempts: -1,
          reconnectTimeWait: reconnectWaitMs,
          reconnectJitter: reconnectJitterMs,
          pingInterval: pingIntervalMs,
          // A server that restarts may refuse a login while it reads its configuration: that is no reason to give up for good.
          ignoreAuthErrorAbort: true,
        })
        if (this.#closing.signal.aborted) return await nats.close()
        this.#nats = nats
        this.#isUp = true
        void this.#watch(nats)
        for (const then of this.#onUp.splice(0)) then(nats)
        return
      } catch (error) {
        if (failures === 0) this.#world.log.warn('message server not reachable, trying on', { servers: this.#target.servers, error })
        failures += 1
        const waitMs = reconnectWaitMs + this.#world.random.int(reconnectJitterMs)
        await this.#world.timers.sleep(waitMs, this.#closing.signal).catch(() => {})
      }
    }
  }

  async #watch(nats: NatsConnection): Promise<void> {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect') {
        this.#world.log.warn('message server lost, trying on', { server: status.server })
        this.#down()
      } else if (status.type === 'reconnect') {
        this.#world.log.info('message server is back', { server: status.server })
        this.#isUp = !this.#closing.signal.aborted
      }
    }
    this.#down()
  }

  #down(): void {
    if (!this.#isUp) return
    this.#isUp = false
    for (const then of this.#onDown) then()
  }
}
