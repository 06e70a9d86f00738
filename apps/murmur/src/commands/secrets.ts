import { keyringPollMs, openSite } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { loadConfig } from '../serve/command.ts'
import { tell } from '../terminal.ts'
import { upkeepOf } from './upkeep.ts'

/**
 * New sealing key for a site, also while it runs: add the key, wait until every process has taken it up, seal everything anew, drop
 * the old keys. Interrupted half-way it can simply be run again.
 */
export async function rotate(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  options: { readonly site: string },
): Promise<void> {
  const config = await loadConfig(world, options.site, environment)
  const site = await openSite(world, config)
  try {
    await site.keyring.rotate()
    tell('A new key is in the key file; running processes take it up …')
    await world.timers.sleep(2 * keyringPollMs)
    for (const service of config.services) {
      const { reseal } = await upkeepOf[service]()
      if (reseal === undefined) continue
      await reseal(site)
      tell(`${service}: sealed anew`)
    }
    await site.keyring.retire()
    tell('The old keys are dropped.')
  } finally {
    await site.close()
  }
}
