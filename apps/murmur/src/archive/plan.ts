import { join, resolve } from 'node:path'
import { isSafeName, type Manifest } from '@murmuration/archive'
import { databaseUrlOf, loadSiteConfig, type ServiceName, type SiteConfig } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { pidFileOf, runningProcess } from '../serve/pid-file.ts'
import { exists, type Exchange } from './exchange.ts'
import { below, besides, databaseFileOf, runFolder, scopeOf, type Scope } from './scope.ts'
import { placeSiteFile, readPlacedSiteFile, type Placement } from './site-file.ts'

/** Where everything of an archive is going to be. */
export interface RestorePlan {
  readonly config: SiteConfig
  readonly scope: Scope
  readonly siteFileText: string
  readonly exchange: Exchange
  /** Where a path is put before the exchange; the path itself when it is not part of it. */
  staged(path: string): string
  /** What a service's database is loaded into. */
  database(service: ServiceName): { readonly url: string; readonly external: boolean }
}

export async function planRestore(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  archive: { readonly manifest: Manifest; readonly siteFile: string },
  placement: Placement,
): Promise<RestorePlan> {
  const { manifest } = archive
  const { siteFile, siteFolder: from, varFolder, leftOut } = manifest.head.facts
  const fine = isSafeName(siteFile) && !siteFile.includes('/') && typeof from === 'string' && typeof varFolder === 'string'
  if (!fine || !Array.isArray(leftOut) || !leftOut.every(isSafeName))
    throw new CommandFailed(exitCodes.refused, 'The archive does not say where its site was: it is not one of a site.')
  refuseStrayVarFolder(placement, from, varFolder)

  const siteFileText = placeSiteFile(archive.siteFile, manifest, placement)
  const file = join(placement.siteFolder, siteFile)
  const config = await readPlacedSiteFile(world, file, siteFileText, environment)
  const scope = scopeOf(config, file)
  const folder = scope.varInSiteFolder ? scope.siteFolder : scope.varFolder
  const varInFolder = below(folder, scope.varFolder) ?? ''
  const database = (service: ServiceName) => {
    const url = databaseUrlOf(config, service)
    const inside = below(folder, databaseFileOf(url) ?? '/')
    return inside === undefined || databaseFileOf(url) === undefined
      ? { url, external: true }
      : { url: `sqlite:${join(besides.staging(folder), inside)}`, external: false }
  }
  return {
    config,
    scope,
    siteFileText,
    exchange: {
      folder,
      keep: leftOut.filter((path) => path !== runFolder).map((path) => join(varInFolder, path)),
      keepOthers: varInFolder !== '',
      external: config.services.some((service) => database(service).external),
    },
    staged(path) {
      const inside = below(folder, path)
      return inside === undefined ? path : join(besides.staging(folder), inside)
    },
    database,
  }
}

/** A site whose state was elsewhere goes back to that place only together with its site file: a trial must not overwrite it. */
function refuseStrayVarFolder({ siteFolder, varFolder: wanted }: Placement, from: string, varFolder: string): void {
  if (wanted !== undefined || siteFolder === from || below(from, varFolder) !== undefined) return
  throw new CommandFailed(
    exitCodes.usage,
    `The archived site kept its state in ${varFolder}, outside of its folder ${from}.`,
    'Say where it goes now: --var-folder PATH.',
  )
}

/** Nothing that runs, and nothing that belongs to another site, is overwritten. */
export async function refuseInUse(
  world: World,
  environment: Readonly<Record<string, string | undefined>>,
  plan: RestorePlan,
): Promise<void> {
  const { scope, config, exchange } = plan
  const present = await loadSiteConfig(world, scope.siteFile, environment).catch(() => undefined)
  for (const folder of new Set([scope.varFolder, resolve(present?.varFolder ?? scope.varFolder)])) {
    for (const name of await world.files.list(folder)) {
      if (!name.endsWith('.pid')) continue
      const running = await runningProcess(world, pidFileOf(folder, name.slice(0, -'.pid'.length)))
      if (running === undefined) continue
      throw new CommandFailed(exitCodes.conflict, `The site runs (pid ${running.pid}).`, `murmur stop --site ${scope.siteFile}`)
    }
  }
  if (present !== undefined && (present.name !== config.name || present.role !== config.role || present.region !== config.region)) {
    throw new CommandFailed(
      exitCodes.conflict,
      `${scope.siteFolder} holds another site: ${present.name}, region ${present.region}.`,
      'Give the folder of the archived site, or one that does not exist yet.',
    )
  }
  if (present === undefined && !exchange.keepOthers && (await exists(world, exchange.folder))) {
    throw new CommandFailed(
      exitCodes.conflict,
      `${exchange.folder} holds something that is not this site.`,
      'Give the folder of the archived site, or one that does not exist yet.',
    )
  }
}
