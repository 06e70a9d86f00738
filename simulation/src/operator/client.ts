import { NetworkError, type HttpResponse } from '@murmuration/world'
import type { SimulatedProcess, Simulation } from '@murmuration/world/simulated'
import { operationHeader, type Promised, type RequestCheck } from '../check/requests.ts'
import { apiPort } from '../fleet/controller.ts'
import { ports } from '../fleet/places.ts'
import type { Tokens } from '../fleet/tokens.ts'

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly promised?: Promised
}

export interface Answer {
  readonly status: number
  readonly json: unknown
}

/** A controller's API, from where operators sit. */
export interface Counter {
  readonly simulation: Simulation
  readonly operator: SimulatedProcess
  readonly address: string
  /** Number of its API processes. */
  readonly apis: number
  readonly tokens: Tokens
}

const deadlineMs = 15_000
const attempts = 3

/** An operator's client: real HTTP to the real API, over a network that loses and repeats. */
export class OperatorClient {
  readonly #counter: Counter
  readonly #requests: RequestCheck
  #operations = 0

  constructor(counter: Counter, requests: RequestCheck) {
    this.#counter = counter
    this.#requests = requests
  }

  /**
   * Asks once, or with an Idempotency-Key until there is an answer. Undefined when nobody knows what became of it. `who` is the
   * operator, for the story; without one nothing is told.
   */
  async call(who: string | undefined, call: Call, repeat: boolean): Promise<Answer | undefined> {
    const operation = `${(this.#operations += 1)}`
    if (call.promised !== undefined) this.#requests.expect(operation, call.promised)
    const { simulation } = this.#counter
    const note = (what: string): void => (who === undefined ? undefined : simulation.note(what))
    const title = `${who} #${operation} ${call.method} ${call.path}${call.promised === undefined ? '' : ` (${call.promised.what})`}`
    for (let attempt = 1; attempt <= (repeat ? attempts : 1); attempt += 1) {
      note(`${title}${attempt === 1 ? '' : ` again (${attempt})`}`)
      const answer = await this.#attempt(call, operation, repeat)
      if (answer !== undefined) {
        note(`${who} #${operation} ← ${answer.status}${answer.status < 400 ? '' : ` ${shortened(answer.json)}`}`)
        if (answer.status !== 503) return answer
      } else note(`${who} #${operation} ← no answer`)
    }
    return undefined
  }

  async #attempt(call: Call, operation: string, repeat: boolean): Promise<Answer | undefined> {
    const { operator, address, tokens } = this.#counter
    const url = `http://${address}:${apiPort(ports.dcmanager, this.#apiOf(operation))}/v1.0${call.path}`
    try {
      const response = await operator.world.net.request({
        method: call.method,
        url,
        headers: {
          'x-auth-token': call.method === 'GET' ? tokens.reader : tokens.admin,
          accept: 'application/json',
          [operationHeader]: operation,
          ...(repeat && call.method !== 'GET' ? { 'idempotency-key': `operation-${operation}` } : {}),
          ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        deadlineMs,
      })
      return { status: response.status, json: jsonOf(response) }
    } catch (error) {
      if (error instanceof NetworkError) return undefined
      throw error
    }
  }

  /** Operators are spread over the API's processes, as a balancer would do. */
  #apiOf(operation: string): number {
    return Number(operation) % this.#counter.apis
  }
}

function jsonOf(response: HttpResponse): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(response.body)) as unknown
  } catch {
    return undefined
  }
}

const shortened = (value: unknown): string => JSON.stringify(value ?? null).slice(0, 160)
