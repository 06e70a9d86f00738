import type { Database } from '@murmuration/data'
import type { Site, SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import type { Owner } from '../rules/ownership.ts'
import { claimOwnership, readOwnership, releaseOwnership } from '../store/ownership.ts'
import { migrations } from '../store/migrations.ts'
import type { OwnershipRow, Schema } from '../store/schema.ts'

/** As `GET /v1/ownership` has it. */
export interface ShownOwnership {
  readonly owner: string | null
  readonly owner_name: string | null
  readonly epoch: number
  readonly claimed_at: string | null
  /** Null: nobody can say, because no agent listens here. */
  readonly owner_silent_ms: number | null
}

/** What of a site is needed: `murmur site ownership` opens no more, since playbooks run it all the time. */
export type OwnedSite = Pick<Site, 'world' | 'config' | 'openDatabase'>

const agentDeadlineMs = 5_000

/** Who manages the site: as its running agent says, who alone knows for how long the owner has been silent; else as it is written. */
export async function showOwnership(site: OwnedSite): Promise<ShownOwnership> {
  const written = await withDatabase(site, readOwnership)
  if (written === undefined) return wire(undefined)
  return { ...wire(written), owner_silent_ms: await silenceOf(site.world, site.config, written) }
}

/**
 * Claims the site for a system controller, or (with undefined) releases it. Works beside the running site and before its first start:
 * the database decides, and the agent looks there for every request.
 */
export const changeOwnership = (site: OwnedSite, claim: Owner | undefined): Promise<{ taken: boolean; ownership: ShownOwnership }> =>
  withDatabase(site, async (database) => {
    if (claim === undefined) {
      await releaseOwnership(database)
      return { taken: true, ownership: wire(undefined) }
    }
    const { taken, row } = await claimOwnership(database, claim, site.world.clock.nowMs())
    return { taken, ownership: wire(row) }
  })

async function withDatabase<T>(site: OwnedSite, work: (database: Database<Schema>) => Promise<T>): Promise<T> {
  const database = await site.openDatabase<Schema>('platform')
  try {
    await database.migrate(migrations)
    return await work(database)
  } finally {
    await database.close()
  }
}

const wire = (row: OwnershipRow | undefined): ShownOwnership => ({
  owner: row?.owner ?? null,
  owner_name: row?.owner_name ?? null,
  epoch: row?.epoch ?? 0,
  claimed_at: row?.claimed_at ?? null,
  owner_silent_ms: null,
})

/** By the plain port on loopback. The agent may be of an earlier version, or not there. */
async function silenceOf(world: World, config: SiteConfig, written: OwnershipRow): Promise<number | null> {
  try {
    const { body, status } = await world.net.request({
      method: 'GET',
      url: `http://${loopbackOf(config.listenAddress)}:${config.ports.dcagent}/v1/ownership`,
      deadlineMs: agentDeadlineMs,
      oneOff: true,
    })
    const told = status === 200 ? (JSON.parse(new TextDecoder().decode(body)) as Partial<ShownOwnership>) : {}
    return told.owner === written.owner && told.epoch === written.epoch && typeof told.owner_silent_ms === 'number'
      ? told.owner_silent_ms
      : null
  } catch {
    return null
  }
}

/** Where the agent listens for tools of its machine. Sites that share a machine differ in their loopback address. */
export function loopbackOf(address: string): string {
  if (/^127\.|^::1$/.test(address)) return address.includes(':') ? `[${address}]` : address
  return address.includes(':') ? '[::1]' : '127.0.0.1'
}
