import { Violation } from '../../check/violation.ts'
import { times } from '../../fleet/places.ts'
import { nameOf } from '../places.ts'
import type { Accepted } from '../site.ts'

/** A site that has heard its controller within so many of its audits is its controller's. */
const witnessAudits = 3

interface Known {
  epoch: number
  readonly writers: Map<number, string>
}

/** What sites let controllers do: in one epoch only one of them, and epochs only rise. */
export class SiteCheck {
  readonly #fail: (violation: Violation) => void
  readonly #sites = new Map<number, Known>()
  /** How often each controller was let in; the story's measure of what happened. */
  readonly served = new Map<string, number>()

  constructor(fail: (violation: Violation) => void) {
    this.#fail = fail
  }

  accepted({ site, system, epoch, what }: Accepted): void {
    const known = this.#sites.get(site) ?? { epoch: 0, writers: new Map<number, string>() }
    this.#sites.set(site, known)
    const name = system === undefined ? 'somebody who does not say who' : nameOf(system)
    this.served.set(name, (this.served.get(name) ?? 0) + 1)
    if (epoch < known.epoch)
      return this.#fail(
        new Violation('epochs-rise', `site ${site} served ${name} (${what}) under epoch ${epoch} after epoch ${known.epoch}`),
      )
    known.epoch = epoch
    // Before anybody claims it there is nobody to be kept out.
    if (epoch === 0) return
    const writer = known.writers.get(epoch)
    if (writer === undefined) known.writers.set(epoch, name)
    else if (writer !== name)
      this.#fail(new Violation('one-writer', `site ${site} served ${name} (${what}) under epoch ${epoch}, which is ${writer}'s`))
  }

  /** Nobody takes over by himself what told him that it still hears its controller. */
  takenUnasked(site: number, by: string, silentMs: number): void {
    if (silentMs < witnessAudits * times.auditInterval)
      this.#fail(new Violation('witness', `${by} took site ${site} over by itself, which had heard its controller ${silentMs} ms before`))
  }
}
