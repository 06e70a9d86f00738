/** A store can not be asked now, or will not have us; another attempt may be lucky. Says nothing about what lies in it. */
export class StoreUnavailable extends Error {
  readonly store: string
  constructor(store: string, doing: string, options: { cause: unknown }) {
    super(`the store ${store} can not ${doing}`, options)
    this.name = 'StoreUnavailable'
    this.store = store
  }
}
