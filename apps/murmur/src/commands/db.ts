import { openSite, type Site } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { loadConfig } from '../serve/command.ts'
import { tell } from '../terminal.ts'
import { printList, type CommonOptions } from './context.ts'
import { upkeepOf } from './upkeep.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Opens the database of each service of a site, one after the other. */
export async function eachDatabase(
  world: World,
  environment: Environment,
  file: string,
  work: (
    service: string,
    database: Awaited<ReturnType<Site['openDatabase']>>,
    migrations: Awaited<ReturnType<(typeof upkeepOf)['identity']>>['migrations'],
  ) => Promise<void>,
): Promise<void> {
  const config = await loadConfig(world, file, environment)
  const site = await openSite(world, config)
  try {
    for (const service of config.services) {
      const database = await site.openDatabase(service)
      try {
        await work(service, database, (await upkeepOf[service]()).migrations)
      } finally {
        await database.close()
      }
    }
  } finally {
    await site.close()
  }
}

export const migrate = (world: World, environment: Environment, options: { readonly site: string }): Promise<void> =>
  eachDatabase(world, environment, options.site, async (service, database, migrations) => {
    const applied = await database.migrate(migrations)
    tell(`${service}: ${applied.length === 0 ? 'nothing to do' : `applied ${applied.join(', ')}`}`)
  })

export async function status(world: World, environment: Environment, options: CommonOptions & { readonly site: string }): Promise<void> {
  const rows: { service: string; migration: string; 'applied at': string | null }[] = []
  await eachDatabase(world, environment, options.site, async (service, database, migrations) => {
    for (const one of await database.migrationStatus(migrations)) rows.push({ service, migration: one.name, 'applied at': one.appliedAt })
  })
  printList(['service', 'migration', 'applied at'], rows, options)
}
