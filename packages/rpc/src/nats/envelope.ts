import type { Msg } from '@nats-io/transport-node'
import type { Outgoing } from '../client.ts'
import { RpcError } from '../errors.ts'
import type { Reply } from '../server.ts'
import type { RpcContext } from '../topic.ts'

/** What travels besides the arguments, which stay the text that they are. */
export interface CallEnvelope {
  readonly payload: string
  readonly context: RpcContext
  /** Names a call for its cancellation; absent on casts. */
  readonly id?: string
  /** How long the caller waits, from the moment it sent; the server's own clock counts it from arrival. */
  readonly deadlineMs?: number
}

export function writeCall(message: Outgoing, id?: string, deadlineMs?: number): string {
  const envelope: CallEnvelope = {
    payload: message.payload,
    context: message.context,
    ...(id === undefined ? {} : { id }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  }
  return JSON.stringify(envelope)
}

/** Undefined when it is not one of ours: whoever may reach the server may also publish. */
export function readCall(message: Msg): CallEnvelope | undefined {
  try {
    const { payload, context, id, deadlineMs } = message.json<Partial<Record<keyof CallEnvelope, unknown>>>()
    if (typeof payload !== 'string' || typeof context !== 'object' || context === null) return undefined
    return {
      payload,
      context,
      ...(typeof id === 'string' ? { id } : {}),
      ...(typeof deadlineMs === 'number' ? { deadlineMs } : {}),
    }
  } catch {
    return undefined
  }
}

export const writeReply = (reply: Reply): string => JSON.stringify(reply)

export function readReply(message: Msg): Reply {
  return message.json<Reply>()
}

export function openReply(reply: Reply): string {
  if (reply.ok) return reply.payload
  throw new RpcError(reply.code, reply.message)
}
