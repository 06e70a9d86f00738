import type { World } from '@murmuration/world'
import type { SiteConfig } from './config.ts'
import type { Site } from './site.ts'

export declare function openSite(world: World, config: SiteConfig): Promise<Site>
