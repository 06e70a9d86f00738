/** `26.09` of `26.09`, `26.09.1`, `starlingx-26.09.1`; undefined for anything else. */
export function majorMinor(version: string): string | undefined {
  return /(?:^|-)([0-9]{2}\.[0-9]{2})(?:\.[0-9]{1,4})?$/.exec(version)?.[1]
}

export const isRelease = (text: string): boolean => /^[0-9]{2}\.[0-9]{2}$/.test(text)

/** The controller's own release, or an older one that it still knows (reference dcmanager §1.7 `release`). */
export function isSupportedRelease(
  release: string,
  controllerVersion: string,
  known: readonly { readonly softwareVersion: string }[],
): boolean {
  const own = majorMinor(controllerVersion)
  if (own === undefined || release > own) return false
  return release === own || known.some((each) => majorMinor(each.softwareVersion) === release)
}

const restingStates: ReadonlySet<string> = new Set(['available', 'committed', 'deployed', 'unavailable'])

/** The first local release that is on its way somewhere: no subcloud is deployed meanwhile (reference §1.7 order 2). */
export const busyRelease = <R extends { readonly state: string }>(releases: readonly R[]): R | undefined =>
  releases.find((release) => !restingStates.has(release.state))
