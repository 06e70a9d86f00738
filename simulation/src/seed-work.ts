import { parentPort } from 'node:worker_threads'
import { openGround } from './ground.ts'
import type { SeedOptions, SeedOutcome } from './outcome.ts'
import { scenarios, type ScenarioName } from './scenarios.ts'

/** What the pool asks of a thread. */
export type Order = { readonly seed: number; readonly options: SeedOptions } | 'end'
/** What a thread says: that it is ready, or how a seed ended. */
export type Said = 'ready' | SeedOutcome

/** The body of a thread: seeds one after the other until it is told to end. */
export async function work(scenario: ScenarioName): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('this is the body of a worker thread')
  const ground = await openGround()
  const stage = await (await scenarios[scenario].load()).prepare(ground)
  let ended: () => void = () => {}
  const end = new Promise<void>((resolve) => (ended = resolve))
  port.on('message', (order: Order) => {
    if (order === 'end') return ended()
    void stage.run(order.seed, order.options).then((outcome) => port.postMessage(outcome satisfies Said))
  })
  port.postMessage('ready' satisfies Said)
  await end
  await ground.close()
  port.close()
}
