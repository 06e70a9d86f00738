import assert from 'node:assert/strict'
import { backupsAreKept } from '../check/backups.ts'
import { Checks } from '../check/checks.ts'
import type { Reader, SubcloudRow } from '../check/reader.ts'
import { Violation } from '../check/violation.ts'
import { openGround } from '../ground.ts'
import { OperatorClient, type Call } from '../operator/client.ts'
import { telling } from '../story.ts'
import { effectOn } from './effects.ts'
import { Fleet } from './fleet.ts'
import { deployedCount } from './places.ts'
import type { PlaybookRun } from './playbooks.ts'
import { prepare } from './prepared.ts'
import { buildTemplate, copyDatabase, type Template } from './template.ts'

/** What an API answered. */
export interface Reply {
  readonly status: number
  readonly json: Readonly<Record<string, unknown>>
}

const startWithinMs = 20_000

/** A fleet in which written stories are played, with virtual time and without any fault but those of the story. */
export class Scene {
  readonly fleet: Fleet
  readonly checks: Checks
  readonly #client: OperatorClient

  constructor(fleet: Fleet, checks: Checks) {
    this.fleet = fleet
    this.checks = checks
    this.#client = new OperatorClient(fleet.counter, checks.requests)
  }

  get reader(): Reader {
    return this.checks.reader
  }

  /** As operators, all at the same moment; answers are in the order of the calls. */
  async askAtOnce(...calls: readonly Call[]): Promise<Reply[]> {
    const answers = calls.map((call) => this.begin(call))
    const replies: Reply[] = []
    for (const answer of answers) replies.push(await answer())
    return replies
  }

  ask = (call: Call): Promise<Reply> => this.begin(call)()

  /** Asks, and goes on; the answer is waited for by calling what is returned. */
  begin(call: Call): () => Promise<Reply> {
    const asked = this.#client.call('the story', call, false)
    return async () => {
      const answer = await this.fleet.simulation.complete(asked)
      assert.ok(answer, `${call.method} ${call.path} got no answer`)
      return { status: answer.status, json: answer.json as Reply['json'] }
    }
  }

  async accepted(call: Call): Promise<Reply['json']> {
    const { status, json } = await this.ask(call)
    assert.equal(status, 200, `${call.method} ${call.path}: ${JSON.stringify(json)}`)
    return json
  }

  /** Refused, with a reason that reads like this; nothing is queued, and no subcloud changes. */
  async refused(call: Call, reason: RegExp): Promise<void> {
    const facts = () => [this.reader.lastChange(), this.reader.liveJobs().map(({ id }) => id)] as const
    const before = facts()
    const { status, json } = await this.ask(call)
    assert.equal(status, 400, JSON.stringify(json))
    assert.match(JSON.stringify(json), reason)
    assert.deepEqual(facts(), before)
  }

  /** Until it is so; looked at after every event, so that what lasts for a moment is seen. */
  async until(what: string, withinMs: number, isSo: () => boolean): Promise<void> {
    const { simulation } = this.fleet
    const untilMs = simulation.nowMs + withinMs
    let so = isSo()
    if (!so) await simulation.run({ until: () => this.checks.look() || (so = isSo()), untilMs })
    if (this.checks.violation !== undefined) throw this.checks.violation
    if (!so) throw new Violation('story', `${withinMs} ms have passed, and it is not so: ${what}`)
  }

  row(id: number): SubcloudRow {
    const row = this.reader.subcloud(id)
    assert.ok(row, `there is no subcloud ${id}`)
    return row
  }

  /** Playbooks of this name that were ever started for it. */
  runs = (id: number, playbook: string): PlaybookRun[] =>
    this.fleet.playbooks.runs.filter((run) => run.subcloudId === id && run.playbook === playbook)

  /** Everything ends, and everything that seeds must keep at their end is kept. */
  async rest(): Promise<void> {
    await this.until('all operations have ended', 120_000, () => this.reader.liveJobs().length === 0)
    await this.fleet.simulation.complete(backupsAreKept(this.fleet.hand.world.files, this.reader))
    this.checks.final()
    if (this.checks.violation !== undefined) throw this.checks.violation
  }
}

/** One fleet as every seed finds it, for several stories; `play` tells what happened when one does not come out. Close it at the end. */
export async function openScene(
  name: string,
): Promise<{ play(story: (scene: Scene) => Promise<void>): Promise<void>; close(): Promise<void> }> {
  const ground = await openGround()
  const prepared = await prepare()
  const template = await buildTemplate(prepared, `${ground.folder}/template.db`)
  const path = `${ground.folder}/story.db`
  copyDatabase(template, path)
  const checks = new Checks({ path, succeeded: (run) => effectOn(fleet, checks.reader, run) })
  const shape = { api: 2, manager: 1, audit: 1, state: 1 }
  const startMs = template.endMs + 10_000
  const fleet: Fleet = new Fleet({ seed: `story ${name}`, startMs, databaseUrl: `sqlite:${path}`, prepared, shape }, checks.ears)
  checks.watch(fleet)
  const scene = new Scene(fleet, checks)
  await start(scene, template)
  return {
    play: (story) =>
      telling(
        () => fleet.simulation.trace.lines,
        async () => {
          await story(scene)
          if (checks.violation !== undefined) throw checks.violation
        },
      ),
    async close() {
      fleet.supervised = false
      for (const process of fleet.processes) process.crash()
      checks.close()
      await ground.close()
    },
  }
}

async function start(scene: Scene, template: Template): Promise<void> {
  const { fleet } = scene
  await fleet.simulation.complete(fleet.install(template.files))
  for (let site = 1; site <= deployedCount; site += 1) fleet.site(site).network = 0
  fleet.startAll()
  await scene.until('all processes are ready', startWithinMs, () => fleet.processes.every((process) => process.ready))
}
