/** A map that forgets what was not used for long. */
export interface Lru<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  clear(): void
  readonly size: number
}

/**
 * Holds at most `capacity` entries, and those of the latest `capacity / 2` that were used for certain: two generations, the older of
 * which goes as a whole. To put every entry that is read at the end of one map costs ten times as much as reading it.
 */
export function createLru<V>(capacity: number): Lru<V> {
  const half = Math.max(1, Math.floor(capacity / 2))
  let young = new Map<string, V>()
  let old = new Map<string, V>()

  const keep = (key: string, value: V): void => {
    if (young.size >= half && !young.has(key)) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
  return {
    get(key) {
      const value = young.get(key)
      if (value !== undefined) return value
      const older = old.get(key)
      if (older !== undefined) {
        old.delete(key)
        keep(key, older)
      }
      return older
    },
    set(key, value) {
      old.delete(key)
      keep(key, value)
    },
    delete(key) {
      young.delete(key)
      old.delete(key)
    },
    clear() {
      young.clear()
      old.clear()
    },
    get size() {
      return young.size + old.size
    },
  }
}
