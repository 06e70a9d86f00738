import { readMultipart, readYaml, YamlRefused, type Multipart } from '@murmuration/http'
import { Secret } from '@murmuration/trust'
import type { FastifyRequest } from 'fastify'
import { errors, invalidField, notYaml } from '../errors.ts'
import { cutDocuments } from '../rules/deploy-config.ts'
import { decodeBase64, type ParsedDocument } from '../rules/problems.ts'

/**
 * A multipart form or a JSON object, read the same way. Members that are empty count as absent, as forms send them. A values file
 * may come as a file or as a text member: the stock client sends both.
 */
export interface Form {
  /** Names of what is there. */
  readonly names: readonly string[]
  /** For the digest of an idempotent request. */
  readonly content: Multipart
  has(name: string): boolean
  text(name: string, maxLength?: number): string | undefined
  /** `true` or `false` in any case, as text or as JSON; anything else is refused. */
  flag(name: string): boolean | undefined
  yaml(name: string): ParsedDocument | undefined
  /** A stream of YAML documents. */
  documents(name: string): readonly ParsedDocument[] | undefined
  /** A base64 text, decoded. */
  password(name: string): Secret | undefined
  file(name: string): { readonly fileName: string; readonly data: Uint8Array } | undefined
}

export async function readForm(
  request: FastifyRequest,
  allowed: readonly string[],
  options: { maxFileBytes?: number; maxBytes?: number } = {},
): Promise<Form> {
  return formOf(await readMultipart(request, { allowed, ...options }))
}

export function formOf(content: Multipart): Form {
  const own = <T>(map: Readonly<Record<string, T>>, name: string): T | undefined => (Object.hasOwn(map, name) ? map[name] : undefined)
  const raw = (name: string): string | undefined => {
    const file = own(content.files, name)
    if (file === undefined) return own(content.fields, name)
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(file.data)
    } catch {
      throw notYaml(name, 'it is not UTF-8 text', undefined)
    }
  }
  const present = (name: string): string | undefined => {
    const text = raw(name)
    return text === undefined || text.trim() === '' ? undefined : text
  }
  const form: Form = {
    content,
    names: [...Object.keys(content.fields), ...Object.keys(content.files)].filter((name) => {
      const file = own(content.files, name)
      return file === undefined ? present(name) !== undefined : file.data.length > 0
    }),
    has: (name) => form.names.includes(name),
    text(name, maxLength = 255) {
      const text = present(name)
      if (text !== undefined && text.length > maxLength) throw invalidField(name, `is longer than ${maxLength} characters`)
      // oxlint-disable-next-line no-control-regex
      if (text !== undefined && /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw invalidField(name, 'holds control characters')
      return text
    },
    flag(name) {
      const text = present(name)?.toLowerCase()
      if (text === undefined) return undefined
      if (text !== 'true' && text !== 'false') throw invalidField(name, 'must be true or false')
      return text === 'true'
    },
    yaml(name) {
      // An empty file is an error that the caller should hear of; an absent one is not.
      const text = own(content.files, name) === undefined ? present(name) : raw(name)
      return text === undefined ? undefined : parse(name, text, 0)
    },
    documents(name) {
      const text = own(content.files, name) === undefined ? present(name) : raw(name)
      return text === undefined ? undefined : cutDocuments(text).map((part) => parse(name, part.text, part.linesBefore))
    },
    password(name) {
      const text = present(name)
      if (text === undefined) return undefined
      const decoded = decodeBase64(text)
      if (decoded === undefined) throw errors.passwordNotBase64({ field: name }, { field: name })
      return new Secret(decoded)
    },
    file: (name) => own(content.files, name),
  }
  return form
}

function parse(name: string, text: string, linesBefore: number): ParsedDocument {
  try {
    const document = readYaml(text)
    const lineOf: ParsedDocument['lineOf'] = (path) => {
      const line = document.lineOf(path)
      return line === undefined ? undefined : line + linesBefore
    }
    return { value: document.value, lineOf }
  } catch (error) {
    if (!(error instanceof YamlRefused)) throw error
    throw notYaml(name, error.message, error.line === undefined ? undefined : error.line + linesBefore)
  }
}
