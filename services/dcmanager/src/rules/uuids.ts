/** With or without hyphens, in any case, as the original takes them; one spelling of it, in lower case with hyphens. */
export function readUuid(text: string): string | undefined {
  const digits = text.toLowerCase().replaceAll('-', '')
  if (text.length > 36 || !/^[0-9a-f]{32}$/.test(digits)) return undefined
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
