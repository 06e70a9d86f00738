import type { RoleName, SiteConfig } from '@murmuration/site/config'
import { CommandFailed, exitCodes } from '../exit.ts'

const roleNames: readonly RoleName[] = ['api', 'manager', 'audit', 'state']

/** What `--role` says; undefined: all. */
export function parseRoles(text: string | undefined): readonly RoleName[] | undefined {
  if (text === undefined || text === 'all') return undefined
  return text.split(',').map((name) => {
    const role = roleNames.find((known) => known === name.trim())
    if (role === undefined)
      throw new CommandFailed(exitCodes.usage, `--role ${name}: there is no such role.`, `Roles: all, ${roleNames.join(', ')}.`)
    return role
  })
}

/** `--role api,manager`: this process does only these. */
export const withRoles = (config: SiteConfig, roles: readonly RoleName[] | undefined): SiteConfig =>
  roles === undefined
    ? config
    : {
        ...config,
        roles,
        services: roles.includes('api') ? config.services : config.services.filter((name) => name === 'dcmanager' || name === 'image'),
      }
