export type DatabaseErrorKind =
  | 'unique'
  | 'foreign-key'
  | 'check'
  | 'not-null'
  | 'serialization'
  | 'unavailable'
  | 'full'
  | 'timeout'
  | 'other'

/** Every engine's failure in one vocabulary. The message carries no SQL text and no values. */
export class DatabaseError extends Error {
  readonly kind: DatabaseErrorKind
  /** Constraint or `table.column` where the engine says so. */
  readonly constraint: string | undefined
  constructor(kind: DatabaseErrorKind, message: string, options: { constraint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'DatabaseError'
    this.kind = kind
    this.constraint = options.constraint
  }
}

export const isUniqueViolation = (error: unknown): error is DatabaseError => error instanceof DatabaseError && error.kind === 'unique'
export const isForeignKeyViolation = (error: unknown): error is DatabaseError =>
  error instanceof DatabaseError && error.kind === 'foreign-key'
