import { RpcError } from './errors.ts'

/** Half of what a NATS server takes by default, so that the envelope always fits; the same on every bus. */
export const maxMessageBytes = 524_288

/** Every bus passes text, so that what works in one process also works between two. */
export function encode(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new RpcError('not-json', `${what} cannot be written as JSON`, { cause })
  }
  // Nothing at all is fine (a method without arguments); a function or a symbol is not.
  if (text === undefined && value !== undefined) throw new RpcError('not-json', `${what} cannot be written as JSON`)
  if (text !== undefined && Buffer.byteLength(text) > maxMessageBytes) {
    throw new RpcError('too-large', `${what} has more than ${maxMessageBytes} bytes: send an id and let the other side read the rest`)
  }
  return text ?? ''
}

export function decode(text: string): unknown {
  return text === '' ? undefined : (JSON.parse(text) as unknown)
}
