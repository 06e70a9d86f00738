/** What has an end and is past it. */
export const isOver = (thing: { readonly expires_at_ms: number | null }, nowMs: number): boolean =>
  thing.expires_at_ms !== null && thing.expires_at_ms <= nowMs
