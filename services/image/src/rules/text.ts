/** Characters beyond U+FFFF are refused in names, tags, properties and locations (reference image §1.2, §3.2); lone surrogates too. */
export const beyondBmp = (text: string): boolean => /[\ud800-\udfff]/.test(text)

/** The same in any key or value of a document. */
export function holdsBeyondBmp(value: unknown): boolean {
  if (typeof value === 'string') return beyondBmp(value)
  if (Array.isArray(value)) return value.some(holdsBeyondBmp)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, member]) => beyondBmp(key) || holdsBeyondBmp(member))
}

/** A value that should have been text, for comparing and for saying what it was. */
export const asText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
