const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/i

/**
 * An ISO 8601 time as rows hold it: UTC with microseconds, without a zone. A time without a zone is UTC already. Undefined when it is not
 * a time.
 */
export function readMoment(text: string): string | undefined {
  const parts = iso.exec(text.trim())
  if (parts === null) return undefined
  const [, year = '', month = '', day = '', hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = parts
  const utcMs = Date.UTC(2000, Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const date = new Date(utcMs)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  // `2030-02-31` would become a day in March.
  const real = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!real || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? []
  const offsetMs = (Number(hours) * 60 + Number(minutes || 0)) * 60_000 * (sign === '-' ? -1 : 1)
  const moved = new Date(date.getTime() - offsetMs)
  if (moved.getUTCFullYear() < 0 || moved.getUTCFullYear() > 9999) return undefined
  return `${moved.toISOString().slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, '0')}`
}
