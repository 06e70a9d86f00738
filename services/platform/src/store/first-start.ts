import { flag, timestamp, upsert, type Database } from '@murmuration/data'
import type { SiteConfig } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { defaultKubernetesVersions, firstHosts, firstRelease, firstServiceGroups } from '../rules/first-start.ts'
import type { Schema } from './schema.ts'

/**
 * Fills the tables at the first start; at later ones only a release that the configuration newly names is added. Several
 * processes may start at once: one of them wins, under a lock.
 */
export async function prepareStore(world: World, config: SiteConfig, database: Database<Schema>): Promise<void> {
  const now = timestamp(world.clock.nowMs())
  const release = firstRelease(config.softwareVersion)
  await database.transaction(async (tx) => {
    await tx.lock('platform:first-start')
    await upsert(
      tx,
      'releases',
      [
        {
          release_id: release.releaseId,
          sw_version: release.softwareVersion,
          state: 'deployed',
          reboot_required: flag(true),
          created_at: now,
          updated_at: null,
        },
      ],
      { conflict: ['release_id'], update: [] },
    )
    const system = await tx.query.selectFrom('systems').select('uuid').executeTakeFirst()
    if (system !== undefined) return
    await tx.query
      .insertInto('systems')
      .values({
        slot: 1,
        uuid: world.random.uuid(),
        name: config.name,
        description: null,
        location: null,
        contact: null,
        created_at: now,
        updated_at: null,
      })
      .execute()
    await tx.query
      .insertInto('hosts')
      .values(
        firstHosts(config).map(({ hostname, subfunctions }) => ({
          uuid: world.random.uuid(),
          hostname,
          personality: 'controller' as const,
          subfunctions,
          administrative: 'unlocked' as const,
          operational: 'enabled' as const,
          availability: 'available' as const,
          created_at: now,
          updated_at: null,
        })),
      )
      .execute()
    await tx.query
      .insertInto('service_groups')
      .values(
        firstServiceGroups(config).map(({ name, nodeName, state }) => ({
          uuid: world.random.uuid(),
          name,
          node_name: nodeName,
          state,
          updated_at: null,
        })),
      )
      .execute()
    await tx.query
      .insertInto('kube_versions')
      .values([
        { version: defaultKubernetesVersions.active, state: 'active' as const },
        ...defaultKubernetesVersions.available.map((version) => ({ version, state: 'available' as const })),
      ])
      .execute()
  })
}
