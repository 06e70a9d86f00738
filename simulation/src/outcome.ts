export interface SeedOutcome {
  readonly seed: number
  readonly hash: string
  readonly events: number
  readonly virtualMs: number
  /** By status code, how the API answered. */
  readonly answers: Readonly<Record<string, number>>
  readonly jobs: number
  readonly violation?: { readonly invariant: string; readonly message: string }
  /** The last relevant events, when something is wrong or when it was asked for. */
  readonly story?: readonly string[]
}

export interface SeedOptions {
  readonly storyAlways?: boolean
  /** Lines of the story. Default 60. */
  readonly storyLines?: number
}
