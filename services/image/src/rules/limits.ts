import { errors } from '../errors.ts'

/** Of one image (reference image §1.15). */
export const limits = { properties: 128, tags: 128, members: 128, locations: 10 } as const

/** No disk that anybody boots from is larger; what says so wants to fill the host that opens it (attacks 18). */
export const mostVirtualBytes = 64 * 1024 * 1024 * 1024 * 1024

/** Throws 413 when an image would have more than it may. */
export function requireWithin(what: keyof typeof limits, count: number): void {
  if (count > limits[what])
    throw errors.limitExceeded({
      why: `The limit has been exceeded on the number of allowed image ${what}. Attempted: ${count}, Maximum: ${limits[what]}`,
    })
}
