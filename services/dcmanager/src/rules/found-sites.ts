import { asMap } from './problems.ts'

/** What a host says of one of its sites. */
export interface FoundSite {
  readonly name: string
  readonly region: string
  readonly address: string
}

/** A region names folders and is part of paths: letters, digits, `-`, `_` and `.` inside, as names of subclouds have them. */
const region = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9])?$/
const shownMost = 5

/** Subclouds among what a host told; what is no site of ours, or says something that can't be, is left out. */
export function readFoundSites(told: unknown): readonly FoundSite[] {
  if (!Array.isArray(told)) return []
  return told.flatMap((each: unknown): FoundSite[] => {
    const { name, role, region: id, address } = asMap(each) ?? {}
    const plain = typeof name === 'string' && typeof id === 'string' && typeof address === 'string'
    return plain && role === 'subcloud' && region.test(id) && !id.includes('..') ? [{ name, region: id, address }] : []
  })
}

/**
 * The site that a request means: the one at the address that its bootstrap values name, and no other, whatever else is on the host: what
 * is taken over by mistake is somebody's. A text says why there is none.
 */
export function siteAt(sites: readonly FoundSite[], address: string): FoundSite | string {
  const [site, other] = sites.filter((each) => each.address === address)
  if (site !== undefined && other === undefined) return site
  if (site !== undefined) return `several sites have the address ${address}`
  if (sites.length === 0) return 'no subcloud is on this host'
  const shown = sites.slice(0, shownMost).map((each) => `${each.name.slice(0, 64)} at ${each.address.slice(0, 64)}`)
  return `none of its sites has the address ${address} of the bootstrap values: ${shown.join(', ')}${sites.length > shownMost ? ', …' : ''}`
}
