import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { tell } from '../terminal.ts'
import { bringUp, untilAudited } from './deploy.ts'
import { labFolder, labNetworks, labPaths, numberOf } from './layout.ts'
import { discoverSites, refreshLab, siteNamed, startSite, stopSite } from './sites.ts'
import { controllerApi } from './up.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** `murmur lab stop NAME`: the site goes away as after a power cut with warning; the controller will see it offline. */
export async function stop(world: World, environment: Environment, name: string): Promise<void> {
  const paths = labPaths(labFolder(environment))
  const stopped = await stopSite(world, await siteNamed(world, paths, name))
  await refreshLab(world, paths)
  tell(stopped ? `${name} has stopped.` : `${name} is not running.`)
}

export async function start(world: World, environment: Environment, name: string): Promise<void> {
  const paths = labPaths(labFolder(environment))
  const site = await siteNamed(world, paths, name)
  if (site.pid !== null) return tell(`${name} is running already (pid ${site.pid}).`)
  await startSite(world, environment, site.site)
  const now = (await refreshLab(world, paths)).find((one) => one.name === name)
  tell(`${name} runs (pid ${now?.pid}).`)
}

/** `murmur lab add NAME`: one more subcloud, deployed like the first two. */
export async function add(world: World, environment: Environment, name: string): Promise<void> {
  const paths = labPaths(labFolder(environment))
  const n = numberOf(name)
  if (n === undefined)
    throw new CommandFailed(
      exitCodes.usage,
      `${name}: lab subclouds are called subcloud1 … subcloud199.`,
      'Other names go through: murmur subcloud add',
    )
  const lab = { world, api: await controllerApi(world, environment, paths), paths, networks: labNetworks(environment), say: tell }
  await bringUp(lab, name, n)
  await untilAudited(lab, name)
  await refreshLab(world, paths)
}

/** `murmur lab down`: stops every site of the lab; the state stays. */
export async function down(world: World, environment: Environment): Promise<void> {
  const paths = labPaths(labFolder(environment))
  for (const site of await discoverSites(world, paths)) if (await stopSite(world, site)) tell(`${site.name} has stopped.`)
  await refreshLab(world, paths, null)
}
