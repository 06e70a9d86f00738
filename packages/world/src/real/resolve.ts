import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { NetworkError } from '../world.ts'
import { asNetworkError } from './network-errors.ts'

/** As the system resolves names: files, then servers. It knows no deadline, so that one is ours. */
export async function resolveName(hostName: string, deadlineMs: number): Promise<readonly string[]> {
  if (isIP(hostName) !== 0) return [hostName]
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new NetworkError('timeout', `${hostName}: the name was not resolved within ${deadlineMs} ms`)),
    deadlineMs,
  )
  try {
    const found = await Promise.race([lookup(hostName, { all: true, order: 'verbatim' }), late.promise])
    return found.map(({ address }) => address)
  } catch (error) {
    throw asNetworkError(`resolve ${hostName}`, error)
  } finally {
    clearTimeout(timer)
  }
}
