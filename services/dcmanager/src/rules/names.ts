/**
 * The one rule for names of subclouds and groups (attacks 10; reference dcmanager §1.11). ASCII only, so that no two names look
 * alike; no character that means something to a shell, a path or a pattern; never all digits, since those are ids.
 * Names equal to words of a route (`detail`, `subclouds`) are legal: routes never guess.
 */
export function nameProblem(name: string, kind: 'subcloud' | 'group' | 'system'): string | undefined {
  if (name.length === 0) return 'must not be empty'
  if (name.length > 255) return 'is longer than 255 characters'
  if (/^[0-9]+$/.test(name)) return 'must not be all digits: those are ids'
  const pattern = { subcloud: subcloudName, group: groupName, system: systemName }[kind]
  if (!pattern.test(name) && kind === 'system')
    return 'must hold only printable ASCII characters and none of . * + ? ( ) [ ] { } ^ $ | < > " \' ` \\'
  if (!pattern.test(name))
    return kind === 'subcloud'
      ? 'must start and end with a letter or digit and hold only letters A–Z, digits, "-", "_" and "."'
      : 'must start and end with a letter or digit and hold only letters A–Z, digits, "-", "_" and spaces'
  return undefined
}

const subcloudName = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/
/** Another site chose it, and may be of another kind: all that the original allows, as far as it is harmless. */
const systemName = /^[A-Za-z0-9](?:[A-Za-z0-9_ !#%&,/:;=@~-]*[A-Za-z0-9])?$/
const groupName = /^[A-Za-z0-9](?:[A-Za-z0-9_ -]*[A-Za-z0-9])?$/

/** A new name for an existing subcloud is a DNS-1123 subdomain besides (reference §1.7). */
export function renameProblem(name: string): string | undefined {
  const problem = nameProblem(name, 'subcloud')
  if (problem !== undefined) return problem
  const labels = name.split('.')
  return name.length <= 253 && labels.every((label) => label.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(label))
    ? undefined
    : 'must be a DNS name: lower-case letters, digits and "-" in labels of at most 63 characters, parted by "."'
}

/** Words that name the controller itself wherever a subcloud's name or region may stand. */
export const reservedRegions: readonly string[] = ['SystemController']
