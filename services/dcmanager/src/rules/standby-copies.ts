/** Of one request with many standby copies (POST standby-copies). A peer may send fewer. */
export const standbyCopyLimits = {
  /** Also told to peers, who send no more. */
  entries: 50,
  /** Of one document. One that is larger is sent alone, as a form. */
  documentBytes: 1024 * 1024,
  /** Of the whole request; what is sent is cut at `sentBytes`, so there is room for what JSON adds. */
  requestBytes: 16 * 1024 * 1024,
  sentBytes: 4 * 1024 * 1024,
} as const

/**
 * Stands beside the members of a group where a peer lists them: it may send so many copies at once. A peer of another kind, or an older one,
 * does not look there; where it does not stand, nobody sends more than one.
 */
export const standbyCopiesOffer = { 'murmuration-standby-copies': standbyCopyLimits.entries } as const

/** What became of one copy. */
export type CopyOutcome =
  /** It is there, in the group, with this deploy status. */
  | { readonly outcome: 'written'; readonly deployStatus: string }
  /** Another subcloud has this name. */
  | { readonly outcome: 'name-taken' }
  /** That region is there with this deploy status: no copy. */
  | { readonly outcome: 'not-standby'; readonly deployStatus: string }
  | { readonly outcome: 'refused'; readonly status: number; readonly message: string }
