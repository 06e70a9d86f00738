import { worldContract } from '../testing/world-contract.ts'
import type { ChildStep } from './children.ts'
import { createSimulation } from './simulation.ts'

const scripts: Readonly<Record<string, readonly ChildStep[]>> = {
  lines: [{ line: 'one' }, { waitMs: 5 }, { line: 'two' }, { line: 'three', stream: 'stderr' }, { exit: 3 }],
  hangs: [{ waitMs: 600_000 }],
  'ignores-term': [{ line: 'ready' }, { waitMs: 600_000 }],
}

for (const seed of [1, 2, 3]) {
  worldContract(`simulated, seed ${seed}`, () => {
    const simulation = createSimulation(seed)
    simulation.onProcess(({ command }, context) => {
      if (command === 'ignores-term') context.ignoreTerm = true
      return scripts[command]
    })
    return Promise.resolve({
      world: simulation.host('one').boot().world,
      other: simulation.host('other').boot().world,
      address: '10.0.0.2',
      folder: '/var/test',
      run: (work) => simulation.complete(work, { untilMs: simulation.nowMs + 120_000 }),
      command: (kind) => ({ command: kind, args: [], env: {} }),
      close: () => Promise.resolve(),
    })
  })
}
