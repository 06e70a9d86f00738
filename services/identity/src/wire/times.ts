/** `2026-03-09T18:54:16.183000Z`, as Keystone writes times. */
export const isoTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

/** What clients send: with or without zone (then UTC), with up to six decimals. Undefined when it is no time. */
export function readTime(text: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(\.\d{1,6})?(Z|[+-]\d{2}:?\d{2})?$/.exec(text)
  if (match === null) return undefined
  const [, day, time, fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${day}T${time}${fraction.slice(0, 4)}${zone}`)
  return Number.isNaN(ms) ? undefined : ms
}
