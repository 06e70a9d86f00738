/** USM's states of a release, and where a lab may move it. A real update walks the same way (reference dcmanager §5.4). */
export const releaseStates = {
  available: ['deploying', 'deployed', 'unavailable'],
  deploying: ['deployed', 'available'],
  deployed: ['removing', 'available', 'unavailable', 'committed'],
  removing: ['available', 'deployed'],
  unavailable: ['available'],
  committed: [],
} as const satisfies Record<string, readonly string[]>

export type ReleaseState = keyof typeof releaseStates

export const mayMoveRelease = (from: ReleaseState, to: ReleaseState): boolean => (releaseStates[from] as readonly string[]).includes(to)

/** Counted as running on the site. */
export const isDeployed = (state: string): boolean => state === 'deployed' || state === 'committed'

/** Orders `26.09.0` < `26.09.10` < `26.10.0`, also in release ids (`starlingx-26.09.1`); what has no numbers comes first. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? -1) - (right[index] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

const numbersOf = (version: string): number[] => (/\d+(?:\.\d+)*$/.exec(version)?.[0] ?? '').split('.').filter(Boolean).map(Number)

export const latestOf = (versions: readonly string[]): string | undefined =>
  versions.reduce<string | undefined>(
    (latest, version) => (latest === undefined || compareVersions(version, latest) > 0 ? version : latest),
    undefined,
  )

/** `26.09.3` → `26.09`: the major version of the site is that of its highest deployed release. */
export const majorOf = (version: string): string => version.split('.').slice(0, 2).join('.')
