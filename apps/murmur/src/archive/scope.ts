import { basename, dirname, join, relative, resolve } from 'node:path'
import { databaseUrlOf, policyFileOf, type SiteConfig } from '@murmuration/site/config'

/**
 * What of a site goes into an archive, and under which names:
 *
 * - `site.yaml`: the site file, first, since a reader needs it to place the rest
 * - `databases/<service>`: rows, of any engine
 * - `var/…`: every file below `varFolder` but what is left out
 * - `own/<option>`: files that options of the site file name outside of `varFolder`
 */
export const entryNames = { siteFile: 'site.yaml', database: 'databases/', varFolder: 'var/', own: 'own/' } as const

/** Private files and locks of playbooks that run now: of no use to anybody afterwards. */
export const runFolder = 'run'
/** Below `varFolder`: logs tell of the machine, not of the site. */
const alwaysLeftOut = ['log', runFolder] as const
/** Backups of subclouds are archives by themselves, and many. */
export const subcloudBackups = 'vault/backups'

/** The sealing keys: read last, see `write.ts`. */
export const keyringPath = 'keys/keyring.json'

export interface Scope {
  readonly siteFile: string
  readonly siteFolder: string
  readonly varFolder: string
  /** The site lives in one folder, which is exchanged as a whole. */
  readonly varInSiteFolder: boolean
  /** Paths below `varFolder` that are not in the archive, and stay where they are when it is restored. */
  readonly leftOut: readonly string[]
  /** Files outside of `varFolder` by the option that names them. */
  readonly own: readonly { readonly option: string; readonly path: string }[]
}

export function scopeOf(config: SiteConfig, file: string, exclude: readonly string[] = []): Scope {
  const siteFile = resolve(file)
  const siteFolder = dirname(siteFile)
  const varFolder = resolve(config.varFolder)
  const sites = below(varFolder, config.playbooks.sitesFolder)
  return {
    siteFile,
    siteFolder,
    varFolder,
    varInSiteFolder: below(siteFolder, varFolder) !== undefined,
    leftOut: [...new Set([...alwaysLeftOut, ...(sites === undefined || sites === '' ? [] : [sites]), ...exclude.map(plain)])],
    own: ownFiles(config).filter(({ path }) => below(varFolder, path) === undefined),
  }
}

/** The path from a folder to what is in it ('' for itself); undefined for what is elsewhere. */
export function below(folder: string, path: string): string | undefined {
  const found = relative(folder, resolve(path))
  return found === '..' || found.startsWith('../') ? undefined : found
}

const plain = (path: string): string => path.replace(/^(\.?\/)+|\/+$/g, '')

/** Every file that the site file names. */
function ownFiles(config: SiteConfig): { option: string; path: string }[] {
  const files: readonly (readonly [string, string | undefined])[] = [
    ['tls.caFile', config.tls.caFile],
    ['tls.certFile', config.tls.certFile],
    ['tls.keyFile', config.tls.keyFile],
    ['identity.servicePasswordFile', config.identity.servicePasswordFile],
    ['identity.adminPasswordFile', config.identity.adminPasswordFile],
    ['playbooks.sshKeyFile', config.playbooks.sshKeyFile],
    ['image.s3CredentialsFile', config.image.s3CredentialsFile],
    ...config.services.map((service) => [`policyFile.${service}`, policyFileOf(config, service)] as const),
  ]
  return files.flatMap(([option, path]) => (path === undefined ? [] : [{ option, path: resolve(path) }]))
}

/** The file of a `sqlite:` URL; undefined for other engines. */
export const databaseFileOf = (url: string): string | undefined =>
  url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length)) : undefined

/** Whether a file below `varFolder` is none of the archive's: left out, a database (kept as rows), or of a running process. */
export function createFilter(scope: Scope, config: SiteConfig): (path: string) => boolean {
  const databases = config.services.flatMap((service) => {
    const file = databaseFileOf(databaseUrlOf(config, service))
    return file === undefined ? [] : ['', '-wal', '-shm', '-journal'].map((suffix) => relative(scope.varFolder, file + suffix))
  })
  const never = new Set([...databases, keyringPath, relative(scope.varFolder, scope.siteFile)])
  return (path) =>
    never.has(path) ||
    /^[^/]+\.pid$|^first-start\.lock[./]/.test(path) ||
    scope.leftOut.some((folder) => path === folder || path.startsWith(`${folder}/`))
}

/** Beside a folder that is exchanged; all of them are gone when a restore has ended. */
export const besides = {
  staging: (folder: string): string => `${folder}.restoring`,
  replaced: (folder: string): string => `${folder}.replaced`,
  journal: (siteFolder: string): string => join(dirname(siteFolder), `.${basename(siteFolder)}.restore.json`),
} as const
