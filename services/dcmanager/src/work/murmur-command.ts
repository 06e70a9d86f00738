import { fileURLToPath } from 'node:url'
import type { SiteConfig } from '@murmuration/site'
import type { SubcloudRow } from '../store/subclouds.ts'

const program = fileURLToPath(new URL('../../../../apps/murmur/src/main.js', import.meta.url))

/** What starts a site on the subcloud's host: this very program where that host is this machine. */
export const murmurCommandOf = (config: Pick<SiteConfig, 'playbooks'>): readonly string[] =>
  config.playbooks.murmurCommand ?? (config.playbooks.connection === 'local' ? [process.execPath, program] : ['murmur'])

/** This very program, for what a playbook does on the system controller itself. */
export const controllerCommandOf = (): readonly string[] => [process.execPath, program]

/** By region, which never changes and is never given twice: neither a rename nor a successor of the same name meets old state. */
export const siteFolderOf = (config: Pick<SiteConfig, 'playbooks'>, row: Pick<SubcloudRow, 'region_name'>): string =>
  `${config.playbooks.sitesFolder}/${row.region_name}`
