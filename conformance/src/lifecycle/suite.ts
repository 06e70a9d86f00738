import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { startChaos, type Chaos } from './chaos.ts'
import type { Subject } from './cloud.ts'
import { show, untilHeld } from './cloud.ts'
import { addByCommandAndRedeploy, addByCurl, configure, finishKilledBootstrap, killManagerInBootstrap, phased } from './deploy.ts'
import { checkDeployFiles, checkGroups } from './groups.ts'
import { checkAtRest, checkStream } from './invariants.ts'
import { alarms, goneAndBack, manage, remove, update } from './live.ts'
import { checkSubcloudOnWire, checkTransport } from './wire.ts'
import { readChanges } from '../testing/events.ts'
import { startFleet, type Shape } from '../testing/fleet.ts'

const porto: Subject = { name: 'edge-porto', n: 1 }
const faro: Subject = { name: 'edge-faro', n: 2 }
const evora: Subject = { name: 'edge-evora', n: 3 }
const beja: Subject = { name: 'edge-beja', n: 3 }

/** What dies and comes back while the suite runs in many processes; managers are killed by the suite itself, in a bootstrap. */
const unreliable: Readonly<Record<Shape, readonly string[]>> = {
  embedded: [],
  scaled: ['api-1', 'audit-1', 'api-2', 'audit-2'],
}

/** The whole life of subclouds on a controller of this shape; called by one test file for each, so that they may run beside each other. */
export function testLifecycle(shape: Shape): void {
  test(`the life of subclouds, ${shape}`, { timeout: 900_000, concurrency: true }, async (t) => {
    const fleet = await startFleet(shape)
    t.after(() => fleet.end())
    const changes = readChanges(fleet.dcmanager)
    t.after(() => changes.stop())
    let chaos: Chaos | undefined
    const deployConfigCopy = join(fleet.folder, 'deploy-config-copy')

    await t.test('the transport, the version document and the faults', () => checkTransport(fleet))
    await t.test('groups and idempotency keys', async () => checkGroups(fleet))
    await t.test('deployment files', () => checkDeployFiles(fleet, deployConfigCopy))

    await t.test('a subcloud is added by curl; its manager dies in the bootstrap', async () => {
      await fleet.hold(porto.name)
      await addByCurl(fleet, porto)
      await untilHeld(fleet, porto)
      await checkSubcloudOnWire(fleet, porto)
      await killManagerInBootstrap(fleet, porto)
    })

    await Promise.all([
      t.test('… and the deployment goes on', () => finishKilledBootstrap(fleet, porto, deployConfigCopy)),
      t.test('a subcloud is added by murmur, redeployed, aborted and completed', () =>
        addByCommandAndRedeploy(fleet, faro, () => {
          if (unreliable[shape].length > 0) chaos = startChaos(fleet, unreliable[shape])
        }),
      ),
      t.test('a subcloud is deployed phase by phase, aborted and resumed', () => phased(fleet, evora)),
    ])
    const ids = new Map<string, number>()
    for (const { name } of [porto, faro, evora]) ids.set(name, (await show(fleet, name)).id)
    changes.cut()

    await Promise.all([
      t.test('managed, audited, its alarms counted, gone and back, removed', async () => {
        await manage(fleet, porto)
        await alarms(fleet, porto)
        await goneAndBack(fleet, porto)
        await remove(fleet, porto)
      }),
      t.test('changed, renamed, configured anew, managed', async () => {
        await update(fleet, evora, beja, faro)
        await configure(fleet, beja)
        await manage(fleet, beja)
      }),
    ])

    await t.test('nothing was lost, nothing ran twice', async () => {
      await chaos?.stop()
      for (const name of unreliable[shape]) assert.ok(chaos!.killed.includes(name), `${name} was killed: ${chaos!.killed.join(', ')}`)
      await checkAtRest(fleet)
      await fleet.until('the stream has told of the removal', async () =>
        changes.events.some((event) => event.event === 'subcloud.deleted' && event.data.id === ids.get(porto.name)),
      )
      checkStream(changes, ids, porto)
      assert.ok(changes.connections() > 1)
    })

    await t.test('asked to stop, every process ends well', async () => {
      changes.stop()
      for (const [name, how] of Object.entries(await fleet.stopGracefully())) assert.equal(how, 0, name)
    })
  })
}
