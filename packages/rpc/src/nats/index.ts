import type { World } from '@murmuration/world'
import type { CountingBus } from '../bus.ts'

export declare function openNatsBus(url: string, options: { world: World; name: string }): Promise<CountingBus>
