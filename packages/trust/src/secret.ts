import { inspect } from 'node:util'

/**
 * A value that can't be printed by accident: string conversion, JSON and inspect all give `[secret]`.
 * `reveal()` is the only way out; call it at the last moment (a hash, a child's environment, a sealed column).
 */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}
