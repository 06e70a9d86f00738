import { openDatabase } from '@murmuration/data'
import { changeOwnership, showOwnership, type OwnedSite, type ShownOwnership } from '@murmuration/platform/ownership'
import { databaseUrlOf } from '@murmuration/site/config'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { loadConfig } from '../serve/command.ts'
import { confirm, tell } from '../terminal.ts'
import { printShow, type CommonOptions } from './context.ts'

type Environment = Readonly<Record<string, string | undefined>>
type Options = CommonOptions & { readonly site: string }
export type ClaimOptions = Options & { readonly owner: string; readonly name: string; readonly epoch: string }

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const printable = /^[^\p{C}]{1,255}$/u

export async function show(world: World, environment: Environment, options: Options): Promise<void> {
  printShow({ ...(await showOwnership(await ownedSite(world, environment, options))) }, options)
}

/** For playbooks above all: it is the first thing that they do to a site, and the present owner's claim is no change. */
export async function claim(world: World, environment: Environment, options: ClaimOptions): Promise<void> {
  const { owner, name } = options
  if (!uuid.test(owner)) throw new CommandFailed(exitCodes.usage, `--owner ${owner}: give the uuid of a system.`)
  if (!printable.test(name)) throw new CommandFailed(exitCodes.usage, '--name: give a printable name.')
  if (!/^[1-9][0-9]{0,14}$/.test(options.epoch)) throw new CommandFailed(exitCodes.usage, `--epoch ${options.epoch}: give a number from 1.`)
  const epoch = Number(options.epoch)
  const site = await ownedSite(world, environment, options)
  const { taken, ownership } = await changeOwnership(site, { owner: owner.toLowerCase(), ownerName: name, epoch })
  if (!taken) throw refused(site, ownership, epoch)
  const { owner_silent_ms: _unknown, ...written } = ownership
  printShow(written, options)
}

export async function release(world: World, environment: Environment, options: Options): Promise<void> {
  await confirm('Leave the site without an owner? A former system controller is served again then.', options.yes === true)
  const site = await ownedSite(world, environment, options)
  await changeOwnership(site, undefined)
  tell(`${site.config.name} has no owner.`)
}

const refused = (site: OwnedSite, { owner, owner_name: name, epoch }: ShownOwnership, claimed: number): CommandFailed =>
  new CommandFailed(
    exitCodes.conflict,
    `${site.config.name} is managed by ${name} (${owner}) under epoch ${epoch}; epoch ${claimed} was not taken.`,
    'Whoever is to manage it migrates the subcloud, which claims the next epoch.',
  )

/** Its configuration and databases, no more: nothing of the site is opened that a claim does not need. */
async function ownedSite(world: World, environment: Environment, options: Options): Promise<OwnedSite> {
  const config = await loadConfig(world, options.site, environment)
  return { world, config, openDatabase: (service) => openDatabase(databaseUrlOf(config, service), { world, name: service }) }
}
