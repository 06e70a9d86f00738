import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPlaybookSlots } from './slots.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('so many at once; the last places are for prompt ones, which go first; the others in their order', async () => {
  const slots = createPlaybookSlots({ most: 3, reserved: 1 })
  const entered: string[] = []
  const leaves = new Map<string, () => void>()
  const enter = async (name: string, prompt: boolean): Promise<void> => {
    const leave = await slots.take({ prompt, signal: never })
    entered.push(name)
    leaves.set(name, leave)
  }
  const come = (name: string, prompt = false): void => void enter(name, prompt)
  for (const name of ['a', 'b', 'c', 'd']) come(name)
  await turn()
  assert.deepEqual(entered, ['a', 'b'])
  come('prompt', true)
  come('prompt too', true)
  await turn()
  assert.deepEqual(entered, ['a', 'b', 'prompt'])
  leaves.get('a')!()
  leaves.get('a')!()
  await turn()
  assert.deepEqual(entered.slice(3), ['prompt too'])
  leaves.get('b')!()
  leaves.get('prompt')!()
  await turn()
  assert.deepEqual(entered.slice(4), ['c'])
  leaves.get('prompt too')!()
  await turn()
  assert.deepEqual(entered.slice(5), ['d'])
})

test('who gives up while it waits takes no place, and its reason is told', async () => {
  const slots = createPlaybookSlots({ most: 1, reserved: 0 })
  const leave = await slots.take({ prompt: false, signal: never })
  const controller = new AbortController()
  let waited = 0
  const waiting = slots.take({ prompt: false, signal: controller.signal, waits: () => (waited += 1) })
  controller.abort(new Error('shutting down'))
  await assert.rejects(waiting, /shutting down/)
  assert.equal(waited, 1)
  leave()
  ;(await slots.take({ prompt: false, signal: never }))()
  await assert.rejects(slots.take({ prompt: false, signal: controller.signal }), /shutting down/)
})
