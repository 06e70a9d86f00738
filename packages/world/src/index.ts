export * from './world.ts'
export { createRealWorld, type RealWorldOptions } from './real/index.ts'
export type { LogLevel, LogOptions } from './real/log.ts'
export { createDaemons, type Daemons, type DaemonSpec, type ProcessIdentity } from './real/daemons.ts'
