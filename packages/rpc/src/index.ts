/** Call and cast between processes, typed once for caller and handler (DESIGN §3.4). */
export { defineTopic, type Topic, type Method, type Methods, type RpcContext, type Handlers, type TopicClient } from './topic.ts'
export type { Bus, BusCounters, CountingBus, ServeOptions, Serving } from './bus.ts'
export { RpcError, RpcTimeout } from './errors.ts'
export { openBus } from './open.ts'
