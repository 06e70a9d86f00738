/**
 * A store can not be asked now, or will not have us; another attempt may be lucky. Says nothing about what lies in it. `why` is for whoever
 * uses the store, and tells nothing secret; the whole message is for whoever runs it.
 */
export class StoreUnavailable extends Error {
  readonly store: string
  readonly why: string
  constructor(store: string, doing: string, { why, details, cause }: { why: string; details?: string; cause?: unknown }) {
    super(`the store ${store} can not ${doing}: ${why}${details === undefined ? '' : ` (${details})`}`, { cause })
    this.name = 'StoreUnavailable'
    this.store = store
    this.why = why
  }
}
