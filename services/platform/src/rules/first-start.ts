import type { SiteConfig } from '@murmuration/site'

export const defaultKubernetesVersions = { active: 'v1.29.2', available: ['v1.30.6'] } as const

/** Groups of services that the platform keeps active on one controller (the other one stands by). */
const groups = [
  'oam-services',
  'controller-services',
  'cloud-services',
  'patching-services',
  'directory-services',
  'web-services',
  'vim-services',
] as const

export interface FirstHost {
  readonly hostname: string
  readonly subfunctions: string
}

/** What a site consists of when it starts for the first time. */
export function firstHosts(config: Pick<SiteConfig, 'systemMode'>): FirstHost[] {
  const names = config.systemMode === 'simplex' ? ['controller-0'] : ['controller-0', 'controller-1']
  return names.map((hostname) => ({ hostname, subfunctions: 'controller,worker' }))
}

export function firstServiceGroups(
  config: Pick<SiteConfig, 'systemMode' | 'role'>,
): { name: string; nodeName: string; state: 'active' | 'standby' }[] {
  const names = config.role === 'system-controller' ? [...groups, 'distributed-cloud-services'] : groups
  return firstHosts(config).flatMap(({ hostname }, index) =>
    names.map((name) => ({ name, nodeName: hostname, state: index === 0 ? ('active' as const) : ('standby' as const) })),
  )
}

export const firstRelease = (softwareVersion: string): { releaseId: string; softwareVersion: string } => ({
  releaseId: `starlingx-${softwareVersion}.0`,
  softwareVersion: `${softwareVersion}.0`,
})
