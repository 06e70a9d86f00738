import type { Catalog } from '../catalog/types.ts'
import type { Engine } from '../engine.ts'
import { UnknownOutcome } from '../errors.ts'
import type { Reply } from '../wire/resp.ts'
import { LostReply, OtherHistory, type Ongoing } from '../wire/wire.ts'

/**
 * Sends what changes something, under an id by which it is known when the connection breaks: it is applied once or not at all. Resolves to
 * the server's answer, which begins with `ok` or says why nothing was done. `keys`: what the near cache must forget.
 */
export async function sendCommit(
  engine: Engine,
  catalog: Catalog,
  entry: 'commit' | 'change' | 'commit_freeing' | 'change_freeing',
  args: readonly string[],
  keys: () => readonly string[],
  ongoing?: Ongoing,
): Promise<readonly Reply[]> {
  const id = engine.environment.uniqueId()
  let reply: Reply[]
  try {
    reply = (await engine.call(entry, catalog.group, [id, engine.limits.outcomeKeptMs, catalog.version, ...args], ongoing)) as Reply[]
  } catch (error) {
    // The one who took over knows whether it was among what came to it; if not, it never will be.
    if (error instanceof OtherHistory && error.maybeSent && (await outcomeOf(engine, catalog.group, id)) !== 'refused') return ['ok']
    if (error instanceof LostReply) throw new UnknownOutcome(catalog.group, id, error)
    throw error
  }
  engine.wire.changed(keys)
  if (reply[0] === 'schema') throw engine.schemaChanged(catalog.group)
  if (reply[0] === 'ok' && reply[1] !== '') engine.losses.answeredCommit(catalog.group, id)
  return reply
}

const outcomeOf = async (engine: Engine, group: string, id: string): Promise<Reply> =>
  await engine.call('outcome', group, [id, engine.limits.outcomeKeptMs])
