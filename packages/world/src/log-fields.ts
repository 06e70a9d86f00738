type Fields = Readonly<Record<string, unknown>>

const longestCauseChain = 6
/** pino writes these itself; a field of the same name would make one line with two values for one key. */
const reserved = new Set(['level', 'time', 'msg', 'pid'])

/** What a log line shows of its fields: errors as objects with code, message and causes; names that the line itself uses get a `_`. */
export function loggable(fields: Fields | undefined): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  if (fields === undefined) return result
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    result[reserved.has(name) ? `${name}_` : name] = value instanceof Error ? loggableError(value) : value
  }
  return result
}

function loggableError(error: Error, depth = 1): Record<string, unknown> {
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    // An error with a code was expected by somebody and says what it is; any other one is a defect, and the stack tells where.
    ...(code === undefined && depth === 1 ? { stack: error.stack } : {}),
    ...(error.cause === undefined ? {} : { cause: loggableCause(error.cause, depth + 1) }),
  }
}

function loggableCause(cause: unknown, depth: number): unknown {
  if (!(cause instanceof Error)) return cause
  return depth > longestCauseChain ? '…' : loggableError(cause, depth)
}
