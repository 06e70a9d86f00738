import type { ShownOwnership } from '@murmuration/platform'
import { openSite, type Site } from '@murmuration/site'
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

export const show = (world: World, environment: Environment, options: Options): Promise<void> =>
  withSite(world, environment, options, async (site) => {
    const { showOwnership } = await import('@murmuration/platform')
    printShow({ ...(await showOwnership(site)) }, options)
  })

/** For playbooks above all: it is the first thing that they do to a site, and the present owner's claim is no change. */
export async function claim(world: World, environment: Environment, options: ClaimOptions): Promise<void> {
  const { owner, name } = options
  if (!uuid.test(owner)) throw new CommandFailed(exitCodes.usage, `--owner ${owner}: give the uuid of a system.`)
  if (!printable.test(name)) throw new CommandFailed(exitCodes.usage, '--name: give a printable name.')
  if (!/^[1-9][0-9]{0,14}$/.test(options.epoch)) throw new CommandFailed(exitCodes.usage, `--epoch ${options.epoch}: give a number from 1.`)
  const epoch = Number(options.epoch)
  await withSite(world, environment, options, async (site) => {
    const { changeOwnership } = await import('@murmuration/platform')
    const { taken, ownership } = await changeOwnership(site, { owner: owner.toLowerCase(), ownerName: name, epoch })
    if (!taken) throw refused(site, ownership, epoch)
    const { owner_silent_ms: _unknown, ...written } = ownership
    printShow(written, options)
  })
}

export async function release(world: World, environment: Environment, options: Options): Promise<void> {
  await confirm('Leave the site without an owner? A former system controller is served again then.', options.yes === true)
  await withSite(world, environment, options, async (site) => {
    const { changeOwnership } = await import('@murmuration/platform')
    await changeOwnership(site, undefined)
    tell(`${site.config.name} has no owner.`)
  })
}

const refused = (site: Site, { owner, owner_name: name, epoch }: ShownOwnership, claimed: number): CommandFailed =>
  new CommandFailed(
    exitCodes.conflict,
    `${site.config.name} is managed by ${name} (${owner}) under epoch ${epoch}; epoch ${claimed} was not taken.`,
    'Whoever is to manage it migrates the subcloud, which claims the next epoch.',
  )

async function withSite(world: World, environment: Environment, options: Options, work: (site: Site) => Promise<void>): Promise<void> {
  const site = await openSite(world, await loadConfig(world, options.site, environment))
  try {
    await work(site)
  } finally {
    await site.close()
  }
}
