import assert from 'node:assert/strict'
import type { ChangeReader } from '../testing/events.ts'
import type { Fleet } from '../testing/fleet.ts'
import { processesNaming } from '../testing/processes.ts'
import { operationsOf, type Subcloud, type Subject } from './cloud.ts'

const transitional = /^(not-deployed|creating|pre-(?!.*failed)|installing|bootstrapping|configuring|aborting|reconfiguring)/

/** When nothing is asked any more: nothing accepted was lost, nothing ran twice, nothing hangs. */
export async function checkAtRest(fleet: Fleet): Promise<void> {
  const { subclouds } = await fleet.dcmanager.get<{ subclouds: Subcloud[] }>('/v1.0/subclouds')
  for (const subcloud of subclouds) {
    assert.doesNotMatch(subcloud['deploy-status'], transitional, subcloud.name)
    for (const operation of await operationsOf(fleet, subcloud.name)) {
      const names = operation.steps.map((step) => step.name)
      assert.equal(new Set(names).size, names.length, `${operation.kind} of ${subcloud.name}: ${names.join(', ')}`)
      assert.ok(['done', 'failed', 'cancelled'].includes(operation.state), `${operation.kind} of ${subcloud.name} is ${operation.state}`)
    }
  }
  const playing = (await processesNaming(fleet.folder)).filter(({ command }) => command.includes('ansible-playbook'))
  assert.deepEqual(playing, [])
}

/** The stream told every change once, in order, over all its connections; this subcloud went the way of an undisturbed one. */
export function checkStream(changes: ChangeReader, ids: ReadonlyMap<string, number>, undisturbed: Subject): void {
  const positions = changes.events.map((event) => Number(event.id.split('-')[0]))
  assert.ok(
    positions.every((position, index) => index === 0 || position > positions[index - 1]!),
    'events come once and in order',
  )
  const statuses = changes.events
    .filter((event) => event.data.id === ids.get(undisturbed.name))
    .flatMap((event) => event.data.fields?.['deploy-status'] ?? [])
  const wanted = [
    ['not-deployed', 'creating', 'create-complete', 'pre-bootstrap', 'bootstrapping', 'bootstrap-complete'],
    ['pre-config', 'configuring', 'complete'],
  ]
  assert.deepEqual(statuses, wanted.flat())
}
