import type { World } from '@murmuration/world'
import type { CountingBus } from './bus.ts'
import { InProcessBus } from './in-process.ts'

/**
 * `in-process:` joins the services of one process (those that share `world`). `nats://[user:password@]host:port[,host:port…]`
 * joins processes; `?prefix=<name>` keeps several sites apart on one server. A NATS server that can't be reached is no error:
 * the bus goes on trying, calls fail with code `unavailable` and casts are dropped meanwhile.
 */
export async function openBus(url: string, options: { world: World; name: string }): Promise<CountingBus> {
  if (url === 'in-process:') return new InProcessBus(options.world)
  if (url.startsWith('nats://')) {
    // Loaded only where it is used: an embedded site starts without it.
    const { openNatsBus } = await import('./nats/index.ts')
    return openNatsBus(url, options)
  }
  throw new TypeError(`the bus URL must be "in-process:" or start with "nats://", not "${url.replace(/\/\/.*/, '//…')}"`)
}
