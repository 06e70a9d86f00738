import { adminMembers } from './bootstrap-values.ts'
import { readAddress, type SubcloudNetwork } from './addresses.ts'

/**
 * Bootstrap values of a subcloud after its network moved: whoever reads them for a later deployment finds it where it is now. The
 * admin network is the one that moves where there is one (reference dcmanager §4.8); of a dual stack its first half, for a
 * reconfiguration names one network only.
 */
export function movedValues(values: Readonly<Record<string, unknown>>, network: SubcloudNetwork): Readonly<Record<string, unknown>> {
  const prefix = adminMembers.some((member) => isGiven(values[member])) ? 'admin' : 'management'
  const moved = {
    [`${prefix}_subnet`]: network.subnet,
    [`${prefix}_start_address`]: network.start,
    [`${prefix}_end_address`]: network.end,
    [`${prefix}_gateway_address`]: network.gateway,
    ...(isGiven(values[`${prefix}_floating_address`]) ? { [`${prefix}_floating_address`]: network.start } : {}),
  }
  return { ...values, ...Object.fromEntries(Object.entries(moved).map(([name, first]) => [name, withSecond(first, values[name])])) }
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== ''

/** The second half of a pair stays, unless both would be of one family then. */
function withSecond(first: string, before: unknown): string {
  const second = typeof before === 'string' ? before.split(',')[1]?.trim() : undefined
  if (second === undefined || second === '') return first
  const familyOf = (text: string): number => readAddress(text.split('/')[0]!).version
  return familyOf(first) === familyOf(second) ? first : `${first},${second}`
}
