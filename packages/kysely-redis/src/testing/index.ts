export { nodeEnvironment } from './environment.ts'
export { command, startCluster, startRedis, testRedis, type RedisCluster, type RedisServer } from './redis.ts'
