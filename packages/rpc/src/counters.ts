export interface Counters {
  sent: number
  handled: number
  dropped: number
  overloaded: number
}

export const newCounters = (): Counters => ({ sent: 0, handled: 0, dropped: 0, overloaded: 0 })
