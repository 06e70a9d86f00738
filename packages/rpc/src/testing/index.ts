/** What tests of other packages need of a bus. */
export { losingMessages } from './losing-messages.ts'
export { startNats, startOwnNats, type NatsServer } from './nats-server.ts'
