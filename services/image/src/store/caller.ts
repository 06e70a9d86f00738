import type { Asking } from '../rules/visibility.ts'

/** Who calls a command of the data layer. */
export interface Caller extends Asking {
  readonly userId: string | null
  /** Deleted rows are shown to administrators anyway. */
  readonly showDeleted?: boolean
  readonly requestId?: string
  /** The token itself: the registry judges it again. */
  readonly token?: string
}

/** The service itself, for what no user asked. */
export const ourselves: Caller = { isAdmin: true, owner: null, userId: null }

export const seesDeleted = (caller: Caller): boolean => caller.isAdmin || caller.showDeleted === true
