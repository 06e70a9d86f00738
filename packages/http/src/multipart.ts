import type { FastifyRequest } from 'fastify'

export interface Multipart {
  readonly fields: Readonly<Record<string, string>>
  /** The sender's file name is kept for display only; it is never a path. */
  readonly files: Readonly<Record<string, { readonly fileName: string; readonly contentType: string; readonly data: Buffer }>>
}

/**
 * Reads a multipart/form-data body (route with `config.stream`) within budgets: parts, header bytes, field and file sizes.
 * Refuses (400, naming the part): a field twice, a missing final boundary, NUL in names, unknown names when `allowed` is given.
 * Also takes a JSON object (string, number, boolean members become fields; an object or array becomes its JSON text, which is YAML).
 */
export declare function readMultipart(
  request: FastifyRequest,
  options?: { allowed?: readonly string[]; maxFileBytes?: number; maxFieldBytes?: number; maxParts?: number },
): Promise<Multipart>
