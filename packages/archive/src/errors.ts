export type ArchiveRefusal =
  | 'missing'
  | 'not-an-archive'
  | 'newer-format'
  | 'wrong-key'
  | 'wrong-kind-of-key'
  | 'bad-key'
  | 'damaged'
  | 'unsafe'

/** An archive that is not used, and why; nothing of its content and no key is in the message. */
export class ArchiveRefused extends Error {
  readonly reason: ArchiveRefusal
  constructor(reason: ArchiveRefusal, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'ArchiveRefused'
    this.reason = reason
  }
}

/** The one answer for every byte that is not what was written: which check noticed it says nothing to an operator. */
export const damaged = (where: string): ArchiveRefused => new ArchiveRefused('damaged', `The archive is damaged or incomplete (${where}).`)
export const unsafe = (what: string): ArchiveRefused => new ArchiveRefused('unsafe', `The archive is not used: ${what}.`)
