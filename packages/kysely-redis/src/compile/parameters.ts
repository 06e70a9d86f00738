import { fromOutside, type Kind, type Value } from '../values/kinds.ts'

export type EncodeParameter = (value: unknown) => unknown

let encode: EncodeParameter | undefined

/** Compiles with the caller's way to take values in (see `encodeParameter` of the options). Compiling never waits for anything. */
export function withEncoding<T>(how: EncodeParameter | undefined, compile: () => T): T {
  const before = encode
  encode = how
  try {
    return compile()
  } finally {
    encode = before
  }
}

/** A value that a caller passed. Words of the query itself (`immediate`: `eb.lit(true)`) are not the caller's. */
export const parameter = (value: unknown, immediate = false): { value: Value; kind: Kind | 'null' } =>
  fromOutside(encode && !immediate ? encode(value) : value)
