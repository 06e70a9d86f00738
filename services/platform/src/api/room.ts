import type { App } from '@murmuration/http'
import type { Database } from '@murmuration/data'
import type { SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import type { Schema } from '../store/schema.ts'

/** What the routes of the platform API share. */
export interface Room {
  readonly world: World
  readonly config: SiteConfig
  readonly database: Database<Schema>
  /** Text of the time, for rows. */
  readonly now: () => string
}

export type Routes = (app: App, room: Room) => void
