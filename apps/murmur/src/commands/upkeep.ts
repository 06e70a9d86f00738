import type { Database, Migrations } from '@murmuration/data'
import type { PolicyRule } from '@murmuration/http'
import type { ServiceName, Site } from '@murmuration/site'
import type { World } from '@murmuration/world'
import { CommandFailed, exitCodes } from '../exit.ts'

/** What the command does to a service whether it runs or not. */
export interface Upkeep {
  readonly migrations: Migrations
  readonly policies: readonly PolicyRule[]
  /** Seals everything with the newest key; absent where a service keeps no secrets. */
  readonly reseal?: (site: Site) => Promise<void>
  /** How many numbers of a table are left out after a restore: more than may have been given since the backup was made. */
  readonly ahead?: Readonly<Record<string, number>>
  /** What a restore must know of the state that it replaces. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each service knows its own tables
  readonly keep?: (present: Database<any>) => Promise<unknown>
  /** What must not come back with an older state; with what `keep` gave, if there was a state. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each service knows its own tables
  readonly afterRestore?: (world: World, database: Database<any>, kept: any) => Promise<void>
}

export const upkeepOf: Readonly<Record<ServiceName, () => Promise<Upkeep>>> = {
  identity: async () => {
    const { identityMigrations, identityPolicies, resealSecrets, voidOldTokens } = await import('@murmuration/identity')
    return {
      migrations: identityMigrations,
      policies: identityPolicies,
      reseal: resealSecrets,
      // A token holds the number of the last revocation that its maker knew.
      ahead: { revocations: 1_000_000 },
      afterRestore: voidOldTokens,
    }
  },
  platform: async () => {
    const { dcagentPolicies, keepLaterOwner, ownerToKeep, platformMigrations, platformPolicies } = await import('@murmuration/platform')
    return {
      migrations: platformMigrations,
      policies: [...platformPolicies, ...dcagentPolicies],
      keep: ownerToKeep,
      afterRestore: keepLaterOwner,
    }
  },
  image: async () => {
    const { imageMigrations, imagePolicies } = await import('@murmuration/image')
    return { migrations: imageMigrations, policies: imagePolicies }
  },
  dcmanager: async () => {
    const { dcmanagerMigrations, dcmanagerPolicies, resealSecrets } = await import('@murmuration/dcmanager')
    return {
      migrations: dcmanagerMigrations,
      policies: dcmanagerPolicies,
      reseal: resealSecrets,
      // Backups and hosts of a subcloud that was added since are known by its number; readers of the change stream by theirs.
      ahead: { subclouds: 1_000, subcloud_changes: 1_000_000 },
    }
  },
}

export function serviceNamed(name: string): ServiceName {
  const known = Object.keys(upkeepOf) as ServiceName[]
  const found = known.find((one) => one === name)
  if (found === undefined)
    throw new CommandFailed(exitCodes.usage, `--service ${name}: there is no such service.`, `Services: ${known.join(', ')}.`)
  return found
}
