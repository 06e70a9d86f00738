/** For services: their jobs under crashes and repeats, and a world whose clock the test moves. */
export { crashEverywhere, runEachStepTwice, type Prepare, type PreparedJob } from './crashes.ts'
export { createManualWorld, type ManualWorld, type ManualProcess } from './manual-world.ts'
