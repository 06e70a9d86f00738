import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { worldContract } from '../testing/world-contract.ts'
import { createRealWorld } from './index.ts'

const scripts = {
  lines: 'echo one; echo two; echo three >&2; exit 3',
  hangs: 'exec sleep 600',
  'ignores-term': 'trap "" TERM; echo ready; while true; do sleep 600; done',
}

worldContract('real', async () => {
  const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  const other = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
  const folder = await mkdtemp(join(tmpdir(), 'world-'))
  return {
    world,
    other,
    folder,
    address: '127.0.0.1',
    run: (work) => work,
    command: (kind) => ({ command: 'sh', args: ['-c', scripts[kind]], env: { PATH: process.env['PATH'] ?? '' } }),
    async close() {
      await world.net.close()
      await rm(folder, { recursive: true })
    },
  }
})
