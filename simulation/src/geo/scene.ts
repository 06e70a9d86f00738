import assert from 'node:assert/strict'
import { Violation } from '../check/violation.ts'
import { Course } from '../course.ts'
import { ports } from '../fleet/places.ts'
import { openGround } from '../ground.ts'
import { OperatorClient, type Call } from '../operator/client.ts'
import type { PeerGroupRow, SubcloudRow } from '../check/reader.ts'
import { telling } from '../story.ts'
import { comeToRest } from './calm.ts'
import type { Machine } from './controller.ts'
import { pair, type Layout } from './layout.ts'
import { peerUser, type ControllerName } from './places.ts'
import { prepareGeo } from './prepared.ts'
import * as requests from './requests.ts'
import { openWorld, removeDatabases } from './run-seed.ts'
import { buildGeoTemplate, type GeoTemplate } from './template.ts'
import type { GeoWorld } from './world.ts'

/** What an API answered. */
export interface Reply {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
}

/** A world in which a written story is played, with virtual time and without any fault but those of the story. */
export class Scene {
  readonly world: GeoWorld
  readonly course: Course
  readonly #clients: ReadonlyMap<Machine, OperatorClient>

  constructor(world: GeoWorld) {
    this.world = world
    this.course = new Course(world.simulation, () => world.look())
    this.#clients = new Map(world.machines.map((machine) => [machine, new OperatorClient(machine.counter, machine.checks.requests)]))
  }

  machine(name: ControllerName): Machine {
    return this.world.machine(name)
  }

  get nowMs(): number {
    return this.world.simulation.nowMs
  }

  /** As an operator, over the API. */
  async ask(at: ControllerName, call: Call): Promise<Reply> {
    const answer = await this.world.simulation.complete(this.#clients.get(this.machine(at))!.call(`the story at ${at}`, call, false))
    assert.ok(answer, `${call.method} ${call.path} at ${at} got no answer`)
    return { status: answer.status, json: answer.json as Reply['json'] }
  }

  /** As two operators at the same moment. */
  async askBoth(one: readonly [ControllerName, Call], other: readonly [ControllerName, Call]): Promise<number[]> {
    const both = [one, other].map(([at, call]) => this.#clients.get(this.machine(at))!.call(`the story at ${at}`, call, false))
    return (await this.world.simulation.complete(Promise.all(both))).map((answer) => answer?.status ?? 0)
  }

  async accepted(at: ControllerName, call: Call): Promise<Reply['json']> {
    const { status, json } = await this.ask(at, call)
    assert.equal(status, 200, `${call.method} ${call.path} at ${at}: ${JSON.stringify(json)}`)
    return json
  }

  /** As a peer asks: with the account of peers and the agent's name, unless told otherwise. */
  async asPeer(at: ControllerName, call: Call, options: { user?: string; agent?: string } = {}): Promise<Reply> {
    const { place, prepared } = this.machine(at)
    const response = await this.world.simulation.complete(
      this.world.operator.world.net.request({
        method: call.method,
        url: `http://${place.address}:${ports.dcmanager}/v1.0${call.path}`,
        headers: {
          'x-auth-token': prepared.tokens.admins(options.user ?? peerUser),
          'user-agent': options.agent ?? 'dcmanager/1.0',
          'content-type': 'application/json',
          accept: 'application/json',
        },
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        deadlineMs: 15_000,
      }),
    )
    return { status: response.status, json: JSON.parse(new TextDecoder().decode(response.body)) as Reply['json'] }
  }

  pass = (forMs: number): Promise<void> => this.course.pass(forMs)

  /** Until it is so; asks the checks after every event on the way. */
  async until(what: string, withinMs: number, isSo: () => boolean | Promise<boolean>, everyMs = 250): Promise<void> {
    const { world } = this
    const fromMs = this.nowMs
    for (;;) {
      if (world.violation !== undefined) throw world.violation
      if (await isSo()) return
      if (this.nowMs - fromMs > withinMs) throw new Violation('story', `${withinMs} ms have passed, and it is not so: ${what}`)
      await this.pass(everyMs)
    }
  }

  /** Status and message of the association of a group, as the API there tells. */
  async association(
    at: ControllerName,
    group = 'spg-a',
  ): Promise<{ readonly id: number; readonly status: string; readonly message: string }> {
    const { reader } = this.machine(at).checks
    const { id } = this.group(at, group)
    const row = reader.associations().find((each) => each.peer_group_id === id)
    assert.ok(row, `${at} has no association of ${group}`)
    const answer = await this.world.simulation.complete(
      this.#clients.get(this.machine(at))!.call(undefined, requests.association(row.id), false),
    )
    assert.equal(answer?.status, 200, `association ${row.id} at ${at}`)
    const told = answer.json as Reply['json']
    const message = told['sync-message']
    return { id: row.id, status: String(told['sync-status']), message: typeof message === 'string' ? message : '' }
  }

  is = async (at: ControllerName, status: string, group = 'spg-a'): Promise<boolean> =>
    (await this.association(at, group)).status === status

  group(at: ControllerName, name = 'spg-a'): PeerGroupRow {
    const row = this.machine(at)
      .checks.reader.peerGroups()
      .find((each) => each.peer_group_name === name)
    assert.ok(row, `${at} has no group ${name}`)
    return row
  }

  members(at: ControllerName, name = 'spg-a'): SubcloudRow[] {
    const { id } = this.group(at, name)
    return this.machine(at)
      .checks.reader.subclouds()
      .filter((row) => row['peer_group_id'] === id)
  }

  availability(at: ControllerName, peer: ControllerName): string {
    return this.machine(at)
      .checks.reader.systemPeers()
      .find((each) => each.peer_name === peer)!.availability_state
  }

  /** Ids and entities of what fault management shows there. */
  alarms(at: ControllerName): string[] {
    return [...this.machine(at).platform.alarms.keys()]
  }

  /** All invariants of a world at rest. */
  rest = (): Promise<void> => {
    for (const machine of this.world.machines) machine.calm = true
    return comeToRest(this.world, this.course, this.#clients)
  }
}

/** A stage for stories: templates are built once, worlds are opened anew for each. Close it at the end. */
export async function openTheatre(): Promise<{
  play(name: string, story: (scene: Scene) => Promise<void>, layout?: Layout, options?: { readonly oldPeers?: boolean }): Promise<void>
  close(): Promise<void>
}> {
  const ground = await openGround()
  const prepared = await prepareGeo()
  const templates = new Map<Layout, GeoTemplate>()
  let plays = 0
  return {
    async play(name, story, layout = pair, options = {}) {
      const template = templates.get(layout) ?? (await buildGeoTemplate(ground, prepared, layout))
      templates.set(layout, template)
      const world = await openWorld(ground, prepared, template, `story ${(plays += 1)} ${name}`.replaceAll(/\W+/g, '-'), options)
      const scene = new Scene(world)
      try {
        await telling(
          () => world.simulation.trace.lines,
          async () => {
            await scene.until('all processes are ready', 20_000, () => world.machines.every((machine) => machine.ready))
            await story(scene)
            if (world.violation !== undefined) throw world.violation
          },
        )
      } finally {
        world.end()
        await removeDatabases(ground, world)
      }
    },
    close: () => ground.close(),
  }
}
