import type { Index, Table } from '../catalog/types.ts'
import { afterAll } from '../values/encoding.ts'
import { digestOf } from './read-set.ts'

/** What a transaction takes for true without having looked: the server looks when it commits, in the same call. */
export class Assumptions {
  readonly #absent = new Map<number, Set<string>>()
  readonly #present = new Map<number, Set<string>>()
  readonly #empty: string[] = []

  absent(table: Table, key: string): void {
    add(this.#absent, table.id, key)
  }

  present(table: Table, key: string): void {
    add(this.#present, table.id, key)
  }

  /** No row has these columns in a unique index. */
  free(table: Table, index: Index, columns: string): void {
    this.#empty.push('R', String(table.id), String(index.id), `[${columns}`, `(${columns}${afterAll}`, '0', '1', digestOf([]))
  }

  checks(): string[] {
    const out = [...this.#empty]
    for (const [table, keys] of this.#absent) out.push('V', String(table), String(keys.size), ...[...keys].flatMap((key) => [key, '']))
    for (const [table, keys] of this.#present) out.push('E', String(table), String(keys.size), ...keys)
    return out
  }
}

function add(map: Map<number, Set<string>>, table: number, key: string): void {
  const keys = map.get(table)
  if (keys) keys.add(key)
  else map.set(table, new Set([key]))
}
