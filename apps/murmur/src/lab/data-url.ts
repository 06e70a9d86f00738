import { parseDocument } from 'yaml'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'
import { peerName } from './layout.ts'

/**
 * What a site of a lab has as `dataUrl` when the lab's data lie at `place`: each service of each site in a namespace (Redis) or a schema
 * (PostgreSQL) of its own. `sqlite:` means files of the site's own, which needs no option. `given` names what the place came from.
 */
export function siteDataUrl(place: string, site: string, given: string): string | undefined {
  if (place === 'sqlite:') return undefined
  const [, scheme = '', cluster = ''] = /^(rediss?|postgres(?:ql)?)(\+cluster)?:\/\//.exec(place) ?? []
  if (scheme === '' || (cluster !== '' && !scheme.startsWith('redis')))
    throw new CommandFailed(
      exitCodes.usage,
      `${given} does not fit: give redis://host:6379, redis+cluster://host:port,host:port, postgres://user@host/database or sqlite:.`,
    )
  if (/^[^?]*:\/\/[^/@]*:[^/@]*@|[?&]password=/.test(place))
    throw new CommandFailed(exitCodes.usage, `${given} of a lab must hold no password: it is written into readable files of the sites.`)
  const [parameter, separator] = scheme.startsWith('redis') ? (['namespace', '-'] as const) : (['schema', '_'] as const)
  const prefix = new RegExp(`[?&]${parameter}=([^&]*)`).exec(place)?.[1]
  // Both controllers of a lab are RegionOne.
  const region = site === peerName ? `peer${separator}{region}` : '{region}'
  const own = `${prefix ?? 'murmuration'}${separator}${region}${separator}{service}`
  if (prefix !== undefined) return place.replace(`${parameter}=${prefix}`, `${parameter}=${own}`)
  return `${place}${place.includes('?') ? '&' : '?'}${parameter}=${own}`
}

/** Tells a site file where the site's data are from now on; undefined: in files of its own. */
export async function writeDataUrl(world: World, file: string, dataUrl: string | undefined): Promise<void> {
  const text = Buffer.from((await world.files.read(file)) ?? new Uint8Array()).toString('utf8')
  const document = parseDocument(text, { version: '1.1' })
  if (dataUrl === undefined) document.delete('dataUrl')
  else document.set('dataUrl', dataUrl)
  const told = document.toString()
  if (told !== text) await world.files.write(file, told)
}

/** The files that a site has when nothing is said. */
export const ownFiles = (varFolder: string): string => `sqlite:${varFolder}/data/{service}.db`
