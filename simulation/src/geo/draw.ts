import type { SeededRandom } from '@murmuration/world/simulated'

/** One of these, of which there is at least one. */
export function oneOf<T>(random: SeededRandom, list: readonly T[]): T {
  const [first, ...others] = list
  if (first === undefined) throw new Error('there is nothing to draw from')
  return random.pick([first, ...others])
}
