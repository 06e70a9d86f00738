import type { World } from '@murmuration/world'
import { StoreUnavailable } from './unavailable.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** The SDK takes what is over within five minutes for over: keys that were changed are used at once. */
const shortLifeMs = 60_000

/** The keys of a store. Throws, with what to do, when the file is open to others or has none. */
export async function readCredentials(world: World, file: string, storeId: string): Promise<S3Credentials> {
  const bytes = await world.files.read(file)
  const wanted = `write {"${storeId}": {"accessKeyId": "…", "secretAccessKey": "…"}} into ${file} (image.s3CredentialsFile), with mode 0600`
  if (bytes === undefined) throw new Error(`the store ${storeId} has no keys: ${wanted}`)
  const mode = await world.files.mode?.(file)
  if (mode !== undefined && (mode & 0o077) !== 0) throw new Error(`${file} is open to others: chmod 0600 it`)
  let keys: unknown
  try {
    keys = (JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>)[storeId]
  } catch {
    // The parser would show what it did not understand.
    throw new Error(`${file} is not JSON: ${wanted}`)
  }
  const { accessKeyId, secretAccessKey } = (typeof keys === 'object' && keys !== null ? keys : {}) as Record<string, unknown>
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string') throw new Error(`the store ${storeId} has no keys: ${wanted}`)
  return { accessKeyId, secretAccessKey }
}

/** For the SDK, which asks again with each request because what it has is always about to be over. Throws StoreUnavailable. */
export const credentialsOf = (world: World, file: string, storeId: string) => async () => {
  try {
    return { ...(await readCredentials(world, file, storeId)), expiration: new Date(world.clock.nowMs() + shortLifeMs) }
  } catch (error) {
    throw new StoreUnavailable(storeId, 'be asked', { why: 'its keys can not be read', details: (error as Error).message, cause: error })
  }
}
