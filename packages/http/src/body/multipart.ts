import type { FastifyRequest } from 'fastify'
import type { Readable } from 'node:stream'
import { stateOf } from '../app/state.ts'
import { ApiError } from '../errors.ts'
import { collect } from './collect.ts'
import { JsonRefused, readJsonBytes } from './json.ts'
import { type FormLimits, parseForm } from './form.ts'

export interface Multipart {
  readonly fields: Readonly<Record<string, string>>
  /** The sender's file name is kept for display only; it is never a path. */
  readonly files: Readonly<Record<string, { readonly fileName: string; readonly contentType: string; readonly data: Buffer }>>
}

export interface MultipartOptions {
  /** Names of parts that the operation knows; others are refused. */
  readonly allowed?: readonly string[]
  /** Default 10 MiB each. */
  readonly maxFileBytes?: number
  /** Default 64 KiB each. */
  readonly maxFieldBytes?: number
  /** Default 32. */
  readonly maxParts?: number
  /** The whole body. Default 32 MiB. */
  readonly maxBytes?: number
  /** Until the last byte has arrived. Default 120,000. */
  readonly deadlineMs?: number
}

/**
 * Reads a multipart/form-data body (route with `config.stream`) within budgets: parts, header bytes, field and file sizes.
 * Refuses (400, naming the part): a field twice, a missing final boundary, NUL in names, unknown names when `allowed` is given.
 * Also takes a JSON object (string, number, boolean members become fields; an object or array becomes its JSON text, which is YAML).
 */
export async function readMultipart(request: FastifyRequest, options: MultipartOptions = {}): Promise<Multipart> {
  const limits: FormLimits = {
    allowed: options.allowed === undefined ? undefined : new Set(options.allowed),
    maxFileBytes: options.maxFileBytes ?? 10 * 1024 * 1024,
    maxFieldBytes: options.maxFieldBytes ?? 64 * 1024,
    maxParts: options.maxParts ?? 32,
  }
  const contentType = request.headers['content-type'] ?? ''
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase()
  const isForm = type === 'multipart/form-data'
  if (!isForm && type !== '' && type !== 'application/json') {
    throw new ApiError(415, 'unsupportedMediaType', 'This operation takes multipart/form-data or a JSON object.')
  }
  const world = stateOf(request)?.world
  if (world === undefined) throw new Error('not a request of createApp')
  // A route that has `config.stream` gives the stream; without a body there is none.
  const stream = request.body as Readable | undefined
  if (stream === undefined || stream === null) return { fields: {}, files: {} }
  const bytes = await collect(
    world,
    stream,
    request.headers['content-length'],
    isForm ? (options.maxBytes ?? 32 * 1024 * 1024) : Math.min(options.maxBytes ?? 1024 * 1024, 1024 * 1024),
    options.deadlineMs ?? 120_000,
  )
  return isForm ? parseForm(bytes, contentType, limits) : fromJson(bytes, limits)
}

function fromJson(bytes: Buffer, limits: FormLimits): Multipart {
  if (bytes.length === 0) return { fields: {}, files: {} }
  let document: unknown
  try {
    document = readJsonBytes(bytes)
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error
    throw new ApiError(400, 'malformedJson', `Malformed JSON in the request body: ${error.message}.`)
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ApiError(400, 'invalidInput', 'The request body must be a JSON object.')
  }
  const fields: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(document)) {
    if (limits.allowed !== undefined && !limits.allowed.has(name)) throw unknownField(name)
    if (value === null) continue
    fields[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  return { fields: { ...fields }, files: {} }
}

export const unknownField = (name: string): ApiError =>
  new ApiError(400, 'unknownField', `The field '${name.slice(0, 64)}' is not known to this operation.`, { field: name.slice(0, 64) })
