import type { World } from '@murmuration/world'
import type { Bus } from './bus.ts'

/** `in-process:` or `nats://host:port[,…]`. */
export declare function openBus(url: string, options: { world: World; name: string }): Promise<Bus>
