export * from './world.ts'
export { createRealWorld } from './real/index.ts'
