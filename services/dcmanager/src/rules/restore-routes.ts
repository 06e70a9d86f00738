import type { DeployStatus } from './lifecycle.ts'

/** How a restore goes. */
export interface RestoreRoute {
  /** Who does it: playbooks over SSH, the host itself from what its BMC shows it, or the site's staff. */
  readonly by: 'ssh' | 'bmc' | 'staff'
  /** The release is installed first. */
  readonly installs: boolean
  /** What the BMC is given: nothing, the release's image, a seed (label CIDATA), or the release's image with the seed's files in it. */
  readonly image: 'none' | 'release' | 'seed' | 'release-with-seed'
  /** An archive of this system controller's, or what the site left the factory with. */
  readonly from: 'archive' | 'factory'
  /** Statuses in order, from `pre-restore` on. */
  readonly statuses: readonly DeployStatus[]
  readonly end: 'complete' | 'factory-restore-complete'
}

/** Every way of reference dcmanager §6.5. */
export const restoreRoutes = {
  plain: { by: 'ssh', installs: false, image: 'none', from: 'archive', statuses: ['restoring'], end: 'complete' },
  'with-install': {
    by: 'ssh',
    installs: true,
    image: 'release',
    from: 'archive',
    statuses: ['pre-install', 'installing', 'restoring'],
    end: 'complete',
  },
  auto: { by: 'bmc', installs: false, image: 'seed', from: 'archive', statuses: ['restoring'], end: 'complete' },
  'auto-with-install': {
    by: 'bmc',
    installs: true,
    image: 'release-with-seed',
    from: 'archive',
    statuses: ['pre-install', 'installing', 'restoring'],
    end: 'complete',
  },
  factory: {
    by: 'bmc',
    installs: true,
    image: 'release-with-seed',
    from: 'factory',
    statuses: ['pre-install', 'installing', 'restoring'],
    end: 'factory-restore-complete',
  },
  'on-site': { by: 'staff', installs: false, image: 'none', from: 'archive', statuses: ['onsite-restoring'], end: 'complete' },
} as const satisfies Record<string, RestoreRoute>

export type RestoreMode = keyof typeof restoreRoutes

/** Which way a request means; its options have passed the rules of their combinations. */
export function restoreModeOf(options: {
  readonly withInstall: boolean
  readonly auto: boolean
  readonly factory: boolean
  readonly onSite: boolean
}): RestoreMode {
  if (options.onSite) return 'on-site'
  if (options.factory) return 'factory'
  if (options.auto) return options.withInstall ? 'auto-with-install' : 'auto'
  return options.withInstall ? 'with-install' : 'plain'
}

export const restoreRouteOf = (options: Parameters<typeof restoreModeOf>[0]): RestoreRoute => restoreRoutes[restoreModeOf(options)]
