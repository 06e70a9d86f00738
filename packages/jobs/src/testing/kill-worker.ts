import { openDatabase } from '@murmuration/data'
import { createRealWorld } from '@murmuration/world'
import { createWorker } from '../index.ts'
import { killJob } from './kill-job.ts'

/** A process with one worker, made to be killed (kill.test.ts). */
const world = createRealWorld()
const database = await openDatabase(process.argv[2] ?? '', { world, name: 'kill' })
createWorker({ world, database, owner: `kill-${process.pid}`, kinds: [killJob], leaseMs: 600, pollMs: 50 }).start()
// A real timer does not keep a process alive.
setInterval(() => {}, 1_000)
