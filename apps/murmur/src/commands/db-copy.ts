import { copyDatabase, openDatabase, summarize, withSnapshot, type TableSummary } from '@murmuration/data'
import { databaseUrlOf, type ServiceName } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { loadConfig } from '../serve/command.ts'
import { pidFileOf, runningProcess } from '../serve/pid-file.ts'
import { tell } from '../terminal.ts'
import { printList, type CommonOptions } from './context.ts'
import { serviceNamed, upkeepOf } from './upkeep.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface CopyOptions extends CommonOptions {
  readonly to: string
  readonly from?: string
  readonly site?: string
  readonly lab?: boolean
  readonly service?: readonly string[]
  readonly replace?: boolean
}

export interface Copied extends TableSummary {
  readonly site: string
  readonly service: ServiceName
}

/**
 * Copies the databases of services from one place to another, whatever their engines. Each goes in one transaction: as it was at one
 * moment, or not at all. Afterwards the new place is read once more by itself and compared, table by table.
 */
export async function copy(world: World, environment: Environment, options: CopyOptions): Promise<void> {
  if (options.lab === true) return copyLab(world, environment, options)
  const plan = await planOf(world, environment, options)
  refuseMixture(options.to, plan.services, plan.region)
  printList(columns, (await copyServices(world, plan, options.to, options.replace === true)).map(rowOf), options)
  if (options.site !== undefined)
    tell(`Now set this in ${options.site}, and start the site again:\n  dataUrl: ${JSON.stringify(options.to)}`)
}

const columns = ['service', 'table', 'rows', 'digest']
const rowOf = ({ site, service, name, rows, digest }: Copied) => ({ site, service, table: name, rows, digest })

async function copyLab(world: World, environment: Environment, options: CopyOptions): Promise<void> {
  if (options.site !== undefined || options.from !== undefined || options.service !== undefined)
    throw new CommandFailed(exitCodes.usage, '--lab moves every site with all its services: give --to and --replace with it only.')
  const { moveLab } = await import('../lab/move.ts')
  printList(['site', ...columns], (await moveLab(world, environment, options)).map(rowOf), options)
}

/** What is copied: `site` is its name for people. */
export interface Plan {
  readonly site: string
  readonly from: string
  readonly region: string
  readonly services: readonly ServiceName[]
}

async function planOf(world: World, environment: Environment, options: CopyOptions): Promise<Plan> {
  const named = options.service?.map(serviceNamed)
  if (options.site === undefined) {
    if (options.from === undefined) throw new CommandFailed(exitCodes.usage, 'Where from?', 'Give --site FILE, --from URL, or --lab.')
    return { site: '', from: options.from, region: '{region}', services: named ?? (Object.keys(upkeepOf) as ServiceName[]) }
  }
  const config = await loadConfig(world, options.site, environment)
  const running = await runningProcess(world, pidFileOf(config.varFolder))
  if (running !== undefined)
    throw new CommandFailed(
      exitCodes.conflict,
      `${config.name} runs (pid ${running.pid}): what it writes after the copy would be lost.`,
      `Stop it first: murmur stop --site ${options.site}`,
    )
  return { site: config.name, from: options.from ?? config.dataUrl, region: config.region, services: named ?? config.services }
}

function refuseMixture(to: string, services: readonly ServiceName[], region: string): void {
  if (services.length > 1 && !to.includes('{service}'))
    throw new CommandFailed(exitCodes.usage, '--to: several services would share one database.', 'Put {service} into the URL.')
  if (to.includes('{region}') && region === '{region}')
    throw new CommandFailed(exitCodes.usage, '--to: {region} is known only with --site.', 'Give --site FILE, or the region itself.')
}

export async function copyServices(world: World, plan: Plan, to: string, replace: boolean): Promise<Copied[]> {
  const copied: Copied[] = []
  for (const service of plan.services) copied.push(...(await copyService(world, service, plan, to, replace)))
  return copied
}

/** Whether a place still holds exactly what a copy has put there: nobody has used it since. */
export async function stillHolds(world: World, to: string, region: string, copied: readonly Copied[]): Promise<boolean> {
  const service = copied[0]?.service
  if (service === undefined) return false
  const place = await openDatabase(databaseUrlOf({ dataUrl: to, region }, service), { world, name: service })
  try {
    const found = await withSnapshot(place, summarize)
    return (
      found.length === copied.length && found.every((table) => copied.some((one) => one.name === table.name && one.digest === table.digest))
    )
  } finally {
    await place.close()
  }
}

export async function copyService(world: World, service: ServiceName, plan: Plan, to: string, replace: boolean): Promise<Copied[]> {
  const { site, from, region } = plan
  const called = site === '' ? service : `${site}: ${service}`
  const { migrations } = await upkeepOf[service]()
  const source = await openDatabase(databaseUrlOf({ dataUrl: from, region }, service), { world, name: service })
  try {
    if ((await source.migrationStatus({})).length === 0) {
      tell(`${called}: nothing there`)
      return []
    }
    const target = await openDatabase(databaseUrlOf({ dataUrl: to, region }, service), { world, name: service })
    try {
      const copied = await copyDatabase(source, target, migrations, { replace })
      const kept = await withSnapshot(target, summarize)
      const wrong = copied.filter((table, index) => kept[index]?.digest !== table.digest || kept[index].rows !== table.rows)
      if (wrong.length > 0)
        throw new CommandFailed(
          exitCodes.refused,
          `${called}: ${wrong.map((table) => table.name).join(', ')} of the new place are not what was copied.`,
          'Nobody else may write there: see who does, and copy again with --replace.',
        )
      tell(`${called}: ${copied.length} tables, ${copied.reduce((sum, table) => sum + table.rows, 0)} rows, verified`)
      return copied.map((table) => ({ site, service, ...table }))
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
