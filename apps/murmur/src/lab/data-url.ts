import { parseDocument } from 'yaml'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Where a lab keeps the data of all its sites, when `DATA_URL` says so: each service of each site in a namespace (Redis) or a schema
 * (PostgreSQL) of its own. `sqlite:` means files of the sites' own, as without it.
 */
export function labDataUrl(environment: Environment): string | undefined {
  const text = environment['DATA_URL']
  if (text === undefined || text === '') return undefined
  if (text === 'sqlite:') return text
  const [, scheme = '', cluster = ''] = /^(rediss?|postgres(?:ql)?)(\+cluster)?:\/\//.exec(text) ?? []
  if (scheme === '' || (cluster !== '' && !scheme.startsWith('redis')))
    throw new CommandFailed(
      exitCodes.usage,
      'DATA_URL does not fit: give redis://host:6379, redis+cluster://host:port,host:port, postgres://user@host/database or sqlite:.',
    )
  if (/^[^?]*:\/\/[^/@]*:[^/@]*@|[?&]password=/.test(text))
    throw new CommandFailed(exitCodes.usage, 'DATA_URL of a lab must hold no password: it is written into readable files of the sites.')
  const parameter = scheme.startsWith('redis') ? 'namespace' : 'schema'
  const separator = scheme.startsWith('redis') ? '-' : '_'
  const given = new RegExp(`[?&]${parameter}=([^&]*)`).exec(text)?.[1]
  const own = `${given ?? 'murmuration'}${separator}{region}${separator}{service}`
  if (given !== undefined) return text.replace(`${parameter}=${given}`, `${parameter}=${own}`)
  return `${text}${text.includes('?') ? '&' : '?'}${parameter}=${own}`
}

/** Tells the site file of a site that does not run where its data are from now on. */
export async function moveSite(world: World, file: string, dataUrl: string): Promise<void> {
  const text = Buffer.from((await world.files.read(file)) ?? new Uint8Array()).toString('utf8')
  const document = parseDocument(text, { version: '1.1' })
  if (dataUrl === 'sqlite:') document.delete('dataUrl')
  else document.set('dataUrl', dataUrl)
  const moved = document.toString()
  if (moved !== text) await world.files.write(file, moved)
}
