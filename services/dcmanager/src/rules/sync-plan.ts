import type { SubcloudThere } from '@murmuration/clients'
import { standbyClass } from './migration-conclusions.ts'

export interface MemberToCompare {
  readonly name: string
  readonly regionName: string
  /** What the peer has to have. */
  readonly documentRevision: number
  /** What it has confirmed; 0 when nothing. */
  readonly syncedRevision: number
}

export interface SyncPlan<M extends MemberToCompare> {
  /** Whose copy is missing, older, or not in the group there. */
  readonly send: readonly { readonly member: M; readonly there: SubcloudThere | undefined }[]
  /** Whose counterpart there is no standby copy: it is not touched, and the sync fails naming it. */
  readonly obstructed: readonly { readonly member: M; readonly status: string }[]
  /** Standby copies there that belong to no member here. */
  readonly remove: readonly SubcloudThere[]
  /** Given up there for a site that does not have them as members: they can't be removed now, and the sync fails naming them. */
  readonly stranded: readonly SubcloudThere[]
  /** As they should be. */
  readonly agreeing: number
}

/**
 * What a sync has to do, from both sides' members (reference dcmanager §7.7 step 8). Better than the original: what the peer has confirmed
 * in its present form is not sent again.
 */
export function planSync<M extends MemberToCompare>(here: readonly M[], there: readonly SubcloudThere[]): SyncPlan<M> {
  const copies = new Map(there.map((copy) => [copy.regionName, copy]))
  const regions = new Set(here.map((member) => member.regionName))
  const names = new Set(here.map((member) => member.name))
  const compared = here.map((member) => ({ member, there: copies.get(member.regionName) }))
  const obstructed = compared.flatMap(({ member, there: copy }) =>
    copy === undefined || standbyClass.has(copy.deployStatus) ? [] : [{ member, status: copy.deployStatus }],
  )
  const barred = new Set(obstructed.map((each) => each.member))
  const send = compared.filter(
    ({ member, there: copy }) => !barred.has(member) && (copy === undefined || member.syncedRevision < member.documentRevision),
  )
  const extra = there.filter((copy) => !regions.has(copy.regionName) && !names.has(copy.name))
  return {
    send,
    obstructed,
    // Only copies: what that site manages itself is never removed from here, whatever its name.
    remove: extra.filter((copy) => standbyClass.has(copy.deployStatus)),
    stranded: extra.filter((copy) => copy.deployStatus === 'rehome-pending'),
    agreeing: compared.length - send.length - obstructed.length,
  }
}
