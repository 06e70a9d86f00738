import { AsyncLocalStorage } from 'node:async_hooks'
import type { Endpoint, HttpRequest, HttpResponse } from '@murmuration/world'
import type { SimulatedProcess } from '@murmuration/world/simulated'
import type { Reader } from './reader.ts'
import { Violation } from './violation.ts'

/** The header by which a simulated operator says what an attempt belongs to. */
export const operationHeader = 'x-simulated-operation'

/** What an accepted request must have done; told by the operator beforehand, looked at when the API answers. */
export interface Promised {
  readonly what: string
  /** A job of this request. */
  readonly job?: true
  /** A change of this subcloud (of a new one, when there is no id) with these public fields. */
  readonly change?: { readonly id?: number; readonly fields: Readonly<Record<string, unknown>> }
  /** A subcloud that is managed by force: nothing is asked about its state. */
  readonly force?: number
  /** The group of that name is there, or is gone. */
  readonly group?: { readonly name: string; readonly there: boolean }
  /** What is a member's of a peer group: done only where the group is led, or nowhere while it is a member. */
  readonly member?: { readonly id: number; readonly system: string; readonly allowed: 'where-led' | 'nowhere' }
}

interface Handling {
  /** Commits that wrote something. */
  commits: number
}

const mutating: ReadonlySet<string> = new Set(['POST', 'PATCH', 'DELETE'])
/** Accepted, carried out in part, and then found that it cannot be done: told as an error although something happened. */
const honestFailures = /Unable to delete the (?:subcloud|peer group association)|Failed to delete backup of the following subclouds/

/** That a group's change is being told to its peers, before it is made here, is written down first and taken back when it is not made. */
const pushed = /^PATCH \/v1\.0\/subcloud-peer-groups\/[^/]+$/
const commitsOfPush = 2

/** At the API's door: what was accepted is there at once, what was refused changed nothing, and nothing answers 500. */
export class RequestCheck {
  readonly #reader: Reader
  readonly #promised = new Map<string, Promised>()
  readonly #accepted = new Map<string, number>()
  readonly #handling = new AsyncLocalStorage<Handling>()
  readonly #fail: (violation: Violation) => void
  /** What stands below the API fails now, so it may too. */
  readonly #excused: () => boolean
  /** Requests to manage by force that are being handled, by subcloud. */
  readonly #forced = new Map<number, number>()
  readonly answers: Record<string, number> = {}

  constructor(reader: Reader, fail: (violation: Violation) => void, excused: () => boolean = () => false) {
    this.#reader = reader
    this.#excused = excused
    this.#fail = fail
  }

  /** `operation` is named in the header of every attempt. With a key, at most one attempt may take effect. */
  expect(operation: string, promised: Promised): void {
    this.#promised.set(operation, promised)
  }

  isForced(id: number): boolean {
    return (this.#forced.get(id) ?? 0) > 0
  }

  committed(): void {
    const handling = this.#handling.getStore()
    if (handling !== undefined) handling.commits += 1
  }

  tap(endpoint: Endpoint, process: SimulatedProcess): Endpoint {
    return {
      handle: (request, response) => endpoint.handle(request, response),
      inject: async (request) => {
        const handling: Handling = { commits: 0 }
        const seq = this.#reader.lastChange()
        const promised = this.#promised.get(request.headers?.[operationHeader] ?? '')
        const refusal = this.#refusalOf(promised?.member)
        const forced = promised?.force
        if (forced !== undefined) this.#forced.set(forced, (this.#forced.get(forced) ?? 0) + 1)
        const response = await this.#handling.run(handling, () => endpoint.inject(request))
        if (forced !== undefined) this.#forced.set(forced, (this.#forced.get(forced) ?? 1) - 1)
        if (process.state !== 'dead') {
          try {
            this.#judge(request, response, handling, seq)
            const replayed = response.headers['idempotency-replayed'] === 'true'
            if (response.status < 400 && !replayed && refusal?.holds() === true)
              throw new Violation('standby', `${request.method} ${request.url} (${promised!.what}) was accepted although ${refusal.why}`)
          } catch (error) {
            this.#fail(error as Violation)
          }
        }
        return response
      },
    }
  }

  /** Why this is to be refused as things are, and whether it still is so when it has been answered. */
  #refusalOf(member: Promised['member']): { readonly why: string; holds(): boolean } | undefined {
    if (member === undefined) return undefined
    const groupId = this.#reader.subcloud(member.id)?.['peer_group_id']
    const group = () => this.#reader.peerGroups().find((each) => each.id === groupId)
    if (member.allowed === 'nowhere') {
      const name = group()?.peer_group_name
      const holds = (): boolean => this.#reader.subcloud(member.id)?.['peer_group_id'] === groupId
      return name === undefined ? undefined : { why: `it is a member of ${name}`, holds }
    }
    const isElsewhere = (): boolean => (group()?.system_leader_id ?? member.system) !== member.system
    return isElsewhere()
      ? { why: `its group ${group()!.peer_group_name} is led by ${group()!.system_leader_name}`, holds: isElsewhere }
      : undefined
  }

  #judge(request: HttpRequest, response: HttpResponse, handling: Handling, seq: number): void {
    const what = `${request.method} ${new URL(request.url).pathname}`
    const { status } = response
    this.answers[status] = (this.answers[status] ?? 0) + 1
    const text = (): string => new TextDecoder().decode(response.body).slice(0, 300)
    if (status >= 500 && status !== 503 && !this.#excused()) throw new Violation('server-error', `${what} answered ${status}: ${text()}`)
    if (!mutating.has(request.method)) return
    if (status >= 400) {
      if (handling.commits > (pushed.test(what) ? commitsOfPush : 0) && !honestFailures.test(text()))
        throw new Violation('refused-but-done', `${what} was refused with ${status} after ${handling.commits} commits: ${text()}`)
      return
    }
    const operation = request.headers?.[operationHeader]
    const promised = operation === undefined ? undefined : this.#promised.get(operation)
    if (operation === undefined || promised === undefined) return
    if (response.headers['idempotency-replayed'] === 'true') return
    if (promised.job ?? promised.change ?? promised.group) this.#once(operation, request, what)
    this.#kept(promised, response, what, seq)
  }

  #once(operation: string, request: HttpRequest, what: string): void {
    const before = this.#accepted.get(operation) ?? 0
    this.#accepted.set(operation, before + 1)
    if (before > 0 && request.headers?.['idempotency-key'] !== undefined)
      throw new Violation('accepted-twice', `${what} took effect twice under one Idempotency-Key`)
  }

  #kept(promised: Promised, response: HttpResponse, what: string, seq: number): void {
    if (promised.job === true) {
      const id = response.headers['x-openstack-request-id'] ?? ''
      const jobs = this.#reader.jobsOfRequest(id)
      if (jobs.length !== 1)
        throw new Violation('accepted-but-lost', `${what} (${promised.what}) was accepted, and there are ${jobs.length} jobs of it`)
    }
    if (promised.change !== undefined) {
      const { id, fields: wantedFields } = promised.change
      const wanted = Object.entries(wantedFields)
      const found = this.#reader.changesAfter(seq).some((change) => {
        if (id !== undefined && change.subcloud_id !== id) return false
        const fields = JSON.parse(change.fields) as Record<string, unknown>
        return wanted.every(([name, value]) => fields[name] === value)
      })
      if (!found) throw new Violation('accepted-but-lost', `${what} (${promised.what}) was accepted, and no change tells of it`)
    }
    if (promised.group !== undefined) {
      const { name, there } = promised.group
      if (this.#reader.groups().some((group) => group.name === name) !== there)
        throw new Violation('accepted-but-lost', `${what} was accepted, and the group ${name} is ${there ? 'not there' : 'still there'}`)
    }
  }
}
