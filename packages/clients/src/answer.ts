/** A site answered, but not in the agreed shape or size; `what` says which member. Never holds the answer itself. */
export class SiteAnswerRefused extends Error {
  readonly status: number | undefined
  constructor(site: string, what: string, status?: number) {
    super(`the answer of ${site} was refused: ${what}`)
    this.name = 'SiteAnswerRefused'
    this.status = status
  }
}
