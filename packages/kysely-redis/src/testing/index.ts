export { command, startCluster, startRedis, testRedis, type RedisCluster, type RedisServer } from './redis.ts'
export { RandomDatabase, type AnyDb, type TablePlan } from './random-database.ts'
