/** Booleans are 0 and 1 in every engine, so that no driver has an opinion on them. */
export type Flag = 0 | 1
export const flag = (value: boolean): Flag => (value ? 1 : 0)

/** UTC with microseconds, as the reference API prints it: `2026-03-09T18:54:16.183000`. Sorts as time does. */
export type Timestamp = string
export const timestamp = (ms: number): Timestamp => new Date(ms).toISOString().replace('Z', '000')

/** A JSON document stored as text, with the shape it had. */
export type Json<T> = string & { readonly __json?: T }
export const json = {
  write: <T>(value: T): Json<T> => JSON.stringify(value),
  read: <T>(text: Json<T>): T => JSON.parse(text) as T,
}
