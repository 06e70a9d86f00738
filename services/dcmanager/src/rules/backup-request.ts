import { isRelease } from './releases.ts'

/** Operations on backups, as callers call them. */
export type BackupVerb = 'create' | 'delete' | 'restore'

/** What a request asks for, as far as the rules of its combinations go. */
export interface BackupOptions {
  readonly subcloud: string | undefined
  readonly group: string | undefined
  readonly localOnly: boolean
  readonly registryImages: boolean
  readonly withInstall: boolean
  readonly auto: boolean
  readonly factory: boolean
  readonly onSite: boolean
  readonly release: string | undefined
}

/** Members that each operation knows (reference dcmanager §1.10); anything else is an "Unexpected parameter". */
export const backupMembers = {
  create: ['subcloud', 'group', 'local_only', 'registry_images', 'backup_values', 'sysadmin_password'],
  delete: ['release', 'subcloud', 'group', 'local_only', 'sysadmin_password'],
  restore: [
    'subcloud',
    'group',
    'with_install',
    'release',
    'local_only',
    'registry_images',
    'auto',
    'factory',
    'on_site',
    'restore_values',
    'sysadmin_password',
  ],
} as const satisfies Record<BackupVerb, readonly string[]>

/** Before it the subclouds' own software knows neither automatic nor factory restores. */
export const firstAutoRelease = '26.03'

interface CombinationRule {
  readonly verbs: readonly BackupVerb[]
  readonly field: string
  readonly broken: (options: BackupOptions, ownRelease: string) => boolean
  readonly message: string
  readonly hint: string
}

/** Reference §1.10 "Combination rules", in the order in which they are told. */
export const combinationRules: readonly CombinationRule[] = [
  {
    verbs: ['create', 'delete', 'restore'],
    field: 'subcloud',
    broken: ({ subcloud, group }) => subcloud !== undefined && group !== undefined,
    message: "'subcloud' and 'group' parameters should not be given at the same time",
    hint: 'Name one of them.',
  },
  {
    verbs: ['create', 'delete', 'restore'],
    field: 'subcloud',
    broken: ({ subcloud, group }) => subcloud === undefined && group === undefined,
    message: "'subcloud' or 'group' parameter is required",
    hint: 'Name a subcloud or a group, by id or name.',
  },
  {
    verbs: ['restore'],
    field: 'on_site',
    broken: (options) => options.onSite && (options.withInstall || options.factory || options.auto || options.group !== undefined),
    message: 'on_site excludes with_install, factory, auto and group',
    hint: 'A restore at the site is for one subcloud whose staff runs it there.',
  },
  {
    verbs: ['restore'],
    field: 'release',
    broken: ({ release }) => release !== undefined && !isRelease(release),
    message: 'Invalid release: it must be of the form MM.mm',
    hint: 'For example 26.09.',
  },
  {
    verbs: ['restore'],
    field: 'auto',
    broken: ({ auto, factory, release }, own) => (auto || factory) && (release ?? own) < firstAutoRelease,
    message: `auto and factory need release ${firstAutoRelease} or a newer one`,
    hint: 'Restore with_install instead.',
  },
  {
    verbs: ['restore'],
    field: 'release',
    broken: ({ release, withInstall, factory }) => release !== undefined && !withInstall && !factory,
    message: 'Option release cannot be used without one of the following options: with_install or factory',
    hint: 'Leave release out: the subcloud keeps the release that is installed.',
  },
  {
    verbs: ['create', 'restore'],
    field: 'registry_images',
    broken: ({ registryImages, localOnly }) => registryImages && !localOnly,
    message: 'Option registry_images can not be used without local_only option',
    hint: 'Images of the registry are kept at the subcloud only.',
  },
]

export const brokenCombination = (verb: BackupVerb, options: BackupOptions, ownRelease: string): CombinationRule | undefined =>
  combinationRules.find((rule) => rule.verbs.includes(verb) && rule.broken(options, ownRelease))

/** auto and factory mean the registry's images too; factory is an installation from what lies at the site (reference §1.10 "Further"). */
export const impliedOptions = (options: BackupOptions): BackupOptions => ({
  ...options,
  registryImages: options.registryImages || options.auto || options.factory,
  withInstall: options.withInstall || options.factory,
  localOnly: options.localOnly || options.factory,
})
