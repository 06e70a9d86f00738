/**
 * Whole fleets in one process under a seed: virtual time, links that lose, delay and repeat, processes that crash, playbooks
 * that are scripts. The same seed gives the same trace, byte for byte.
 */
export { createSimulation, type Simulation, type SimulationOptions, type RunOptions, type RunOutcome } from './simulation.ts'
export { SimulationStuck } from './stuck.ts'
export type { SimulatedHost, HostOptions } from './host.ts'
export type { SimulatedProcess } from './process.ts'
export type { LinkModel, NetworkFaults } from './links.ts'
export type { ChildContext, ChildScript, ChildStep } from './children.ts'
export type { DiskFault } from './files.ts'
export type { Trace } from './trace.ts'
export { SeededRandom } from './random.ts'
