import type { Kysely, ColumnDataType, ColumnDefinitionBuilder } from 'kysely'

/** Column types that mean the same on every engine. */
export interface Columns {
  /** An integer primary key that the engine counts up and never reuses. Use: `.addColumn('id', c.id.type, c.id.with)`. */
  readonly id: { type: ColumnDataType; with: (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder }
  /** Ids that we make (uuid, name): text. */
  readonly text: ColumnDataType
  readonly integer: ColumnDataType
  /** 64 bit; read back as a number, so at most 2^53. Milliseconds, sizes. */
  readonly bigint: ColumnDataType
  readonly real: ColumnDataType
  /** 0 or 1: see `flag()`. */
  readonly flag: ColumnDataType
  /** UTC text `YYYY-MM-DDTHH:MM:SS.ffffff`: sorts as time does. */
  readonly timestamp: ColumnDataType
  /** JSON as text: see `json`. */
  readonly json: ColumnDataType
}

/** Name → change. Names sort in the order of application (`001-subclouds`). There is no way down. */
export type Migrations = Readonly<Record<string, (db: Kysely<any>, columns: Columns) => Promise<void>>>
