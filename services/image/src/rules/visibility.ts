export const visibilities = ['private', 'shared', 'community', 'public'] as const
export type Visibility = (typeof visibilities)[number]
export const isVisibility = (text: unknown): text is Visibility => visibilities.includes(text as Visibility)
/** What a list may be restricted to: one of them, or all that may be read. */
export const visibilityFilters = [...visibilities, 'all'] as const
/** …and of what is shared with the caller: that with this answer. */
export const memberStatuses = ['pending', 'accepted', 'rejected', 'all'] as const

/** Who asks, as far as rows are concerned. `owner` is the project; an administrator sees and changes everything. */
export interface Asking {
  readonly isAdmin: boolean
  readonly owner: string | null
}

export interface Owned {
  readonly owner: string | null
  readonly visibility: Visibility
}

/** Members are for shared images only: they say nothing about others. `isMember` is of any status (reference image §1.9, §3.2). */
export const mayRead = (who: Asking, image: Owned, isMember: boolean): boolean =>
  who.isAdmin ||
  image.owner === null ||
  image.visibility === 'public' ||
  image.visibility === 'community' ||
  image.owner === who.owner ||
  (image.visibility === 'shared' && isMember)

export const mayChange = (who: Asking, image: Owned): boolean => who.isAdmin || (image.owner !== null && image.owner === who.owner)
