import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { describe } from '../operator/requests.ts'
import type { ControllerName } from './places.ts'
import * as requests from './requests.ts'
import { openTheatre, type Scene } from './scene.ts'

/* Whoever dies, and at whichever recorded step of a sync or a migration: it goes on, and everything that is said afterwards is so. */

let theatre: Awaited<ReturnType<typeof openTheatre>>
before(async () => {
  theatre = await openTheatre()
})
after(() => theatre.close())

const minuteMs = 60_000
const sides = ['north', 'south'] as const
/** More steps than any of these flows has: a loop that never ends would be the test's own mistake. */
const mostSteps = 60

/** Runs a flow again and again, and ends one of the controllers when so many steps are recorded at `at`; until there are no more steps. */
async function atEveryStep(
  title: string,
  at: ControllerName,
  flow: { begin(scene: Scene): Promise<void>; isOver(scene: Scene): boolean | Promise<boolean>; holds(scene: Scene): void },
): Promise<void> {
  for (const victim of sides)
    for (let step = 1; step <= mostSteps; step += 1) {
      let died = false
      await theatre.play(`${title} ${victim} ${step}`, async (scene) => {
        const { reader } = scene.machine(at).checks
        const before_ = reader.lastStep()
        await flow.begin(scene)
        await scene.until(
          'the flow is over',
          15 * minuteMs,
          async () => {
            if (!died && reader.stepsAfter(before_).length >= step) {
              died = true
              scene.world.simulation.note(`step ${step} is recorded, and ${victim} dies`)
              scene.machine(victim).shutDown()
              await scene.pass(3_000)
              scene.machine(victim).start()
            }
            return flow.isOver(scene)
          },
          50,
        )
        await scene.rest()
        flow.holds(scene)
      })
      if (!died) {
        assert.ok(step > 1, `${title} has no recorded steps`)
        break
      }
    }
}

test('a controller dies at each recorded step of a sync', () =>
  atEveryStep('sync', 'north', {
    async begin(scene) {
      for (const row of scene.members('north')) await scene.accepted('north', describe(row.id, `new-${row.id}`))
      await scene.accepted('north', requests.synchronise((await scene.association('north')).id))
    },
    async isOver(scene) {
      if (!scene.machine('north').ready) return false
      const { reader } = scene.machine('north').checks
      if (reader.liveJobs().length > 0) return false
      // One that could not be ended well is to be asked for again.
      const { id, status } = await scene.association('north')
      if (status === 'failed' || status === 'out-of-sync') await scene.ask('north', requests.synchronise(id))
      return status === 'in-sync'
    },
    holds(scene) {
      const copies = new Map(scene.members('south').map((row) => [row.name, row['description']]))
      for (const row of scene.members('north')) assert.equal(copies.get(row.name), row['description'])
    },
  }))

test('a controller dies at each recorded step of a migration', () =>
  atEveryStep('migrate', 'south', {
    begin: async (scene) => void (await scene.accepted('south', requests.migrate('spg-a'))),
    isOver: (scene) =>
      scene.machine('south').checks.reader.liveJobs().length === 0 && scene.group('south').migration_status !== 'migrating',
    holds(scene) {
      assert.ok(scene.members('south').every((row) => row.management_state === 'managed' && row.deploy_status === 'complete'))
      assert.ok(scene.members('north').every((row) => row.management_state === 'unmanaged' && row.deploy_status === 'secondary'))
    },
  }))
