/** Who manages this site, and under which epoch: a controller with an older one is refused here, whatever it believes of itself. */
export interface Owner {
  /** UUID of the system controller's system. */
  readonly owner: string
  readonly ownerName: string
  readonly epoch: number
}

/** What a request says of its sender (headers `murmuration-system`, `murmuration-epoch`); undefined: it says nothing. */
export interface Presented {
  readonly system: string
  readonly epoch: number
}

/**
 * Compare-and-set: a claim is taken when its epoch is above the current one, or when it is the current one of the same owner (a
 * claim that is made again). Of two controllers that claim the same next epoch, the one who comes first has it.
 */
export const mayClaim = (current: Owner | undefined, claim: Pick<Owner, 'owner' | 'epoch'>): boolean =>
  current === undefined || claim.epoch > current.epoch || (claim.epoch === current.epoch && sameSystem(claim.owner, current.owner))

/**
 * Whether a request may go on. A site without an owner serves whoever has a token, as it did before there were owners. Afterwards only
 * its owner, under the current epoch, is served: not a former one, and none that doesn't say who it is.
 */
export const admits = (current: Owner | undefined, presented: Presented | undefined): boolean =>
  current === undefined || (presented !== undefined && sameSystem(presented.system, current.owner) && presented.epoch === current.epoch)

/** Why the request is refused, for its sender. */
export function refusalOf(current: Owner, presented: Presented | undefined): string {
  if (presented === undefined) return 'the request does not say which controller sends it'
  return sameSystem(presented.system, current.owner)
    ? `epoch ${presented.epoch} is not the current one`
    : 'another controller has taken over'
}

const sameSystem = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** When the owner was heard: by this process on its own clock, and as some process wrote it down. */
export interface Heard {
  readonly nowMs: number
  readonly monotonicMs: number
  /** When this process began to listen; it can't speak of the time before. */
  readonly sinceMonotonicMs: number
  readonly lastMonotonicMs: number | undefined
  readonly writtenAtMs: number | undefined
}

/**
 * For how long the owner has been silent, at least: a witness must not exaggerate, for somebody may take the site over because of it.
 * The clock that never steps decides; the written time only shortens it (another process of the site heard the owner), and one in the
 * future was written before the clock was set back and says nothing.
 */
export function silenceMs({ nowMs, monotonicMs, sinceMonotonicMs, lastMonotonicMs, writtenAtMs }: Heard): number {
  const own = monotonicMs - (lastMonotonicMs ?? sinceMonotonicMs)
  const written = writtenAtMs === undefined || writtenAtMs > nowMs ? own : nowMs - writtenAtMs
  return Math.max(0, Math.min(own, written))
}
