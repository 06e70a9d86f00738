import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import type { Random } from '../world.ts'

const floatSteps = 2 ** 48 - 1

/** Every value is cryptographically strong, so nobody has to ask which of them may make a token. */
export const realRandom: Random = {
  float: () => randomInt(floatSteps) / floatSteps,
  int: (belowExclusive) => randomInt(belowExclusive),
  bytes: (count) => new Uint8Array(randomBytes(count)),
  uuid: () => randomUUID(),
}
