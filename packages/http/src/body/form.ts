import { ApiError } from '../errors.ts'
import { forbiddenKeys } from './json.ts'
import { type Multipart, unknownField } from './multipart.ts'

export interface FormLimits {
  readonly allowed: ReadonlySet<string> | undefined
  readonly maxFileBytes: number
  readonly maxFieldBytes: number
  readonly maxParts: number
}

const maxHeaderBytes = 8 * 1024
const maxNameLength = 128
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const refuse = (message: string, field?: string, status = 400): ApiError =>
  new ApiError(status, status === 413 ? 'partTooLarge' : 'malformedForm', message, field === undefined ? {} : { field })

/**
 * Splits a form that is wholly here. Strict where readers differ: every line ends with CRLF, every part says its name, no name
 * comes twice, the final boundary is there. Files are views into `body`: nothing is copied.
 */
export function parseForm(body: Buffer, contentType: string, limits: FormLimits): Multipart {
  const boundary = boundaryOf(contentType)
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1')
  const fields = new Map<string, string>()
  const files = new Map<string, Multipart['files'][string]>()

  // The first delimiter has no line break before it, unless there is a preamble, which nobody reads.
  let at = body.indexOf(delimiter.subarray(2))
  if (at === -1) throw refuse('The form does not contain its boundary.')
  if (at > 0 && body.toString('latin1', Math.max(0, at - 2), at) !== '\r\n') throw refuse('The form does not start with its boundary.')
  at += delimiter.length - 2

  for (let parts = 0; ; parts++) {
    if (body[at] === 0x2d && body[at + 1] === 0x2d) break
    at = lineEnd(body, at)
    if (parts >= limits.maxParts) throw refuse(`The form has more than ${limits.maxParts} parts.`)
    const headersEnd = body.subarray(at, at + maxHeaderBytes + 4).indexOf('\r\n\r\n')
    if (headersEnd === -1) {
      throw refuse(
        body.length - at > maxHeaderBytes
          ? `The headers of a part are larger than ${maxHeaderBytes} bytes.`
          : 'The form ends within a part.',
      )
    }
    const part = partHeaders(body.toString('latin1', at, at + headersEnd))
    const start = at + headersEnd + 4
    // An empty part may have its delimiter right after the headers' last line break.
    const end = body.indexOf(delimiter, start - 2)
    if (end === -1) throw refuse('The form has no final boundary: it was cut on the way.', part.name)
    const data = body.subarray(start, Math.max(start, end))
    at = end + delimiter.length

    if (limits.allowed !== undefined && !limits.allowed.has(part.name)) throw unknownField(part.name)
    if (fields.has(part.name) || files.has(part.name)) throw refuse(`The form has the field '${part.name}' twice.`, part.name)
    if (part.fileName !== undefined) {
      if (data.length > limits.maxFileBytes)
        throw refuse(`The file '${part.name}' is larger than ${limits.maxFileBytes} bytes.`, part.name, 413)
      files.set(part.name, { fileName: part.fileName, contentType: part.contentType, data })
    } else {
      if (data.length > limits.maxFieldBytes)
        throw refuse(`The field '${part.name}' is larger than ${limits.maxFieldBytes} bytes.`, part.name, 413)
      fields.set(part.name, text(data, part.name))
    }
  }
  return { fields: Object.fromEntries(fields), files: Object.fromEntries(files) }
}

function boundaryOf(contentType: string): string {
  const found = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType.slice(0, 1024))
  const boundary = found?.[1] ?? found?.[2]
  if (boundary === undefined || !/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) {
    throw refuse('The Content-Type of the form names no usable boundary.')
  }
  return boundary
}

/** Behind a delimiter only spaces may come before the line break. */
function lineEnd(body: Buffer, from: number): number {
  let at = from
  while (body[at] === 0x20 || body[at] === 0x09) at++
  if (at >= body.length) throw refuse('The form has no final boundary: it was cut on the way.')
  if (body[at] !== 0x0d || body[at + 1] !== 0x0a) throw refuse('A boundary of the form is followed by something else than a line break.')
  return at + 2
}

interface PartHeaders {
  readonly name: string
  readonly fileName: string | undefined
  readonly contentType: string
}

function partHeaders(block: string): PartHeaders {
  let disposition: string | undefined
  let contentType: string | undefined
  const lines = block.split('\r\n')
  if (lines.length > 16) throw refuse('A part has more than 16 headers.')
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0 || !/^[!#$%&'*+.^`|~\w-]+$/.test(line.slice(0, colon))) throw refuse('A part of the form has a malformed header.')
    const value = line.slice(colon + 1).trim()
    const name = line.slice(0, colon).toLowerCase()
    if (name === 'content-disposition') {
      if (disposition !== undefined) throw refuse('A part of the form has Content-Disposition twice.')
      disposition = value
    } else if (name === 'content-type') contentType = value
    else if (name === 'content-transfer-encoding' && !/^(?:7bit|8bit|binary)$/i.test(value)) {
      throw refuse('Parts with a transfer encoding are not accepted.')
    }
  }
  if (disposition === undefined || !/^form-data\s*(?:;|$)/i.test(disposition))
    throw refuse('A part of the form has no Content-Disposition: form-data.')
  const parameters = parametersOf(disposition)
  const name = parameters.get('name')
  if (name === undefined || name === '') throw refuse('A part of the form has no name.')
  if (name.length > maxNameLength) throw refuse(`A part of the form has a name of more than ${maxNameLength} characters.`)
  if (!/^[\w.:-]+$/.test(name)) throw refuse('A part of the form has a name with other signs than letters, digits and . : _ -')
  if (forbiddenKeys.has(name)) throw refuse(`A part of the form has the forbidden name '${name}'.`)
  return { name, fileName: displayName(parameters, name), contentType: contentType?.slice(0, 128) ?? 'application/octet-stream' }
}

/** `name="a\"b"; filename=x`: quoted or plain values, each once. */
function parametersOf(disposition: string): Map<string, string> {
  const parameters = new Map<string, string>()
  const rest = disposition.slice('form-data'.length)
  const pattern = /\s*;\s*([!#$%&'*+.^`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gy
  let read = 0
  for (let found = pattern.exec(rest); found !== null; found = pattern.exec(rest)) {
    const name = (found[1] as string).toLowerCase()
    if (parameters.has(name)) throw refuse('A part of the form has a parameter of Content-Disposition twice.')
    parameters.set(name, found[2] === undefined ? (found[3] as string) : found[2].replace(/\\(["\\])/g, '$1'))
    read = pattern.lastIndex
  }
  if (rest.slice(read).trim().replace(/^;$/, '') !== '') throw refuse('A part of the form has a malformed Content-Disposition.')
  return parameters
}

/** The last piece of what the sender calls it, for people to read; whether there is one decides that the part is a file. */
function displayName(parameters: ReadonlyMap<string, string>, part: string): string | undefined {
  const extended = parameters.get('filename*')
  const raw = parameters.get('filename') ?? (extended === undefined ? undefined : (/^utf-8''(.*)$/i.exec(extended)?.[1] ?? ''))
  if (raw === undefined) return undefined
  if (/%00|\0/.test(raw)) throw refuse(`The file name of '${part}' holds NUL.`, part)
  const name = Buffer.from(raw, 'latin1').toString('utf8').split(/[/\\]/).at(-1) ?? ''
  // eslint-disable-next-line no-control-regex -- they are what is removed
  const shown = name.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '').slice(0, 255)
  return shown === '.' || shown === '..' ? '' : shown
}

function text(data: Buffer, field: string): string {
  let value: string
  try {
    value = decoder.decode(data)
  } catch {
    throw refuse(`The field '${field}' is not UTF-8.`, field)
  }
  if (value.includes('\0')) throw refuse(`The field '${field}' holds NUL.`, field)
  return value
}
