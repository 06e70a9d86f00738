/** The parts that benchmarks measure alone. */
export { createAuditor } from '../work/audit-loop.ts'
export type { ControllerFacts } from '../work/controller-facts.ts'
export { createStateKeeper } from '../work/state-keeper.ts'
export { recordSent } from '../store/peer-members.ts'
export { listSubclouds } from '../store/subcloud-list.ts'
export { endpointTypes, type Schema } from '../store/schema.ts'
export { createPeerMonitor } from '../work/peer-monitor.ts'
export { away, createLinks, here, openGeoFixture } from './geo-fixture.ts'
