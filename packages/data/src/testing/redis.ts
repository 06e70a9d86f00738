import { startCluster, startRedis } from 'kysely-redis/testing'

const variables = { redis: 'MURMUR_TEST_REDIS', 'redis-cluster': 'MURMUR_TEST_REDIS_CLUSTER' } as const
const servers = new Map<string, Promise<string>>()
let namespaces = 0

/** The server of the whole run, or a private one that ends with this process (50 ms; a cluster of three primaries 2 s). */
function serverUrl(shape: keyof typeof variables): Promise<string> {
  let url = servers.get(shape)
  if (url === undefined) {
    const given = process.env[variables[shape]]
    const started = shape === 'redis' ? startRedis : startCluster
    url = given === undefined || given === '' ? started().then((server) => server.url) : Promise.resolve(given)
    servers.set(shape, url)
  }
  return url
}

/** A namespace that nobody else uses. Its keys go with the server: nothing is kept on disk. */
export const freshRedisUrl = async (shape: keyof typeof variables): Promise<string> =>
  `${await serverUrl(shape)}?namespace=t${process.pid}.${Date.now().toString(36)}.${namespaces++}&persistence=none`
