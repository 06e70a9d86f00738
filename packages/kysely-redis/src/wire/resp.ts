/** What a server answers. An error inside an array is a value like others. */
export type Reply = null | string | number | ReplyError | Reply[]

/** An error that the server answered, with its first word: `MOVED`, `ERR`, `READONLY` … */
export class ReplyError extends Error {
  readonly word: string
  constructor(message: string) {
    super(message)
    this.name = 'ReplyError'
    this.word = message.split(' ', 1)[0] ?? ''
  }
}

interface Frame {
  readonly items: Reply[]
  missing: number
  readonly push: boolean
}

/** One command on the wire. */
export function encodeCommand(args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`
  for (const arg of args) {
    const part = typeof arg === 'number' ? String(arg) : arg
    text += `$${Buffer.byteLength(part)}\r\n${part}\r\n`
  }
  return text
}

const carriageReturn = 13
const deepest = 16

/** Reads RESP3 (and RESP2) as it arrives. Replies go to `onReply`, out-of-band messages to `onPush`. */
export class RespReader {
  readonly #onReply: (reply: Reply) => void
  readonly #onPush: (message: Reply[]) => void
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  readonly #stack: Frame[] = []

  constructor(onReply: (reply: Reply) => void, onPush: (message: Reply[]) => void) {
    this.#onReply = onReply
    this.#onPush = onPush
  }

  /** Throws when the other side does not speak the protocol. */
  feed(chunk: Buffer): void {
    this.#buffer = this.#at < this.#buffer.length ? Buffer.concat([this.#buffer.subarray(this.#at), chunk]) : chunk
    this.#at = 0
    while (this.#step());
  }

  /** False when more bytes are needed. */
  #step(): boolean {
    const end = this.#buffer.indexOf(carriageReturn, this.#at)
    if (end < 0 || end + 1 >= this.#buffer.length) return false
    const type = this.#buffer[this.#at] as number
    const line = this.#buffer.toString('utf8', this.#at + 1, end)
    const next = end + 2
    switch (String.fromCharCode(type)) {
      case '+':
      case '(':
      case ',':
        return this.#value(line, next)
      case '-':
        return this.#value(new ReplyError(line), next)
      case ':':
        return this.#value(Number(line), next)
      case '#':
        return this.#value(line === 't' ? 1 : 0, next)
      case '_':
        return this.#value(null, next)
      case '$':
      case '=':
      case '!':
        return this.#bulk(type, Number(line), next)
      case '*':
      case '~':
        return this.#open(Number(line), next, false)
      case '>':
        return this.#open(Number(line), next, true)
      case '%':
        return this.#open(Number(line) * 2, next, false)
      default:
        throw new Error('the server does not speak the Redis protocol')
    }
  }

  #bulk(type: number, length: number, start: number): boolean {
    if (length < 0) return this.#value(null, start)
    if (start + length + 2 > this.#buffer.length) return false
    const text = this.#buffer.toString('utf8', start, start + length)
    // A verbatim string begins with its format: "txt:".
    const value = type === 61 ? text.slice(4) : type === 33 ? new ReplyError(text) : text
    return this.#value(value, start + length + 2)
  }

  #open(length: number, next: number, push: boolean): boolean {
    if (length < 0) return this.#value(null, next)
    if (this.#stack.length >= deepest) throw new Error('the reply is nested too deeply')
    this.#at = next
    this.#stack.push({ items: [], missing: length, push })
    this.#close()
    return true
  }

  #value(value: Reply, next: number): boolean {
    this.#at = next
    const frame = this.#stack.at(-1)
    if (frame === undefined) this.#onReply(value)
    else {
      frame.items.push(value)
      frame.missing--
      this.#close()
    }
    return true
  }

  #close(): void {
    for (let frame = this.#stack.at(-1); frame?.missing === 0; frame = this.#stack.at(-1)) {
      this.#stack.pop()
      const outer = this.#stack.at(-1)
      if (frame.push) this.#onPush(frame.items)
      else if (outer === undefined) return this.#onReply(frame.items)
      else {
        outer.items.push(frame.items)
        outer.missing--
      }
    }
  }
}
