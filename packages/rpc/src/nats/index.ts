import type { World } from '@murmuration/world'
import type { CountingBus } from '../bus.ts'
import { NatsBus } from './bus.ts'
import { Connection } from './connection.ts'
import { parseNatsUrl } from './url.ts'

/** How long a start waits for the first connection; after that the bus goes on trying by itself. */
const firstConnectionMs = 5_000

export async function openNatsBus(url: string, options: { world: World; name: string }): Promise<CountingBus> {
  const { world, name } = options
  const target = parseNatsUrl(url)
  const connection = new Connection(world, target, name)
  await connection.settledWithin(firstConnectionMs)
  return new NatsBus(world, connection, target.prefix)
}
