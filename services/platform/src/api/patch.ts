import { Type, type Static } from 'typebox'
import { errors } from '../errors.ts'

/** JSON patch as the field's clients send it: only whole values of known fields are replaced. */
export const JsonPatch = Type.Array(
  Type.Object(
    {
      op: Type.Union([Type.Literal('replace'), Type.Literal('add')]),
      path: Type.String({ minLength: 1, maxLength: 255 }),
      value: Type.Unknown(),
    },
    { additionalProperties: false },
  ),
  { minItems: 1, maxItems: 32 },
)

type Read<T> = (value: unknown, field: string) => T

/** The changes of a patch, checked field by field; a field that is not in `fields` is refused by name. */
export function readPatch<T extends Record<string, Read<unknown>>>(
  patch: Static<typeof JsonPatch>,
  fields: T,
): { -readonly [F in keyof T]?: ReturnType<T[F]> } {
  const changes: Record<string, unknown> = {}
  for (const { path, value } of patch) {
    const field = path.replace(/^\//, '')
    const read = Object.hasOwn(fields, field) ? fields[field] : undefined
    if (read === undefined) {
      throw errors.unknownField({ field: JSON.stringify(path), allowed: Object.keys(fields).join(', ') }, { field })
    }
    changes[field] = read(value, field)
  }
  return changes as { -readonly [F in keyof T]?: ReturnType<T[F]> }
}

/** No control characters, no invisible marks that turn text around. */
export const printable = '^[^\\p{C}]*$'
const isPrintable = new RegExp(printable, 'u')

export const text =
  (most: number): Read<string> =>
  (value, field) => {
    if (typeof value !== 'string' || value.length > most || value.trim() === '' || !isPrintable.test(value)) {
      throw errors.badValue({ field, why: 'it is not a printable text', remedy: `Give 1 to ${most} characters.` }, { field })
    }
    return value
  }

export const optionalText =
  (most: number): Read<string | null> =>
  (value, field) =>
    value === null || value === '' ? null : text(most)(value, field)

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Read<T> =>
  (value, field) => {
    const found = choices.find((choice) => choice === value)
    if (found === undefined) {
      throw errors.badValue({ field, why: 'the value is not known', remedy: `Give one of ${choices.join(', ')}.` }, { field })
    }
    return found
  }
