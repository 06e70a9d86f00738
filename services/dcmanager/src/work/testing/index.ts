/** For suites that run the shipped playbooks against real hosts and sites (conformance). */
export { bootstrapRun, type TestRun } from './bootstrap-run.ts'
export { takeoverBench, FakeSites, type TakeoverBench } from './takeover-bench.ts'
export { groupBackup, type GroupBackup } from './group-backup-bench.ts'
export { filesBelow } from './leftovers.ts'
export {
  bootstrapValues,
  freePorts,
  loopbackAddress,
  sitePorts,
  subcloudRow,
  temporaryFolder,
  testServicePassword,
  testSite,
} from './test-site.ts'
export { ansibleDocument } from '../playbooks/documents.ts'
