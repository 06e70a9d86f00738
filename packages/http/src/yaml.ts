/** Where and why a YAML text was refused. Becomes 400 with `field` and `line`. */
export class YamlRefused extends Error {
  readonly line: number | undefined
  constructor(message: string, line?: number) {
    super(message)
    this.name = 'YamlRefused'
    this.line = line
  }
}

/**
 * YAML 1.1 as PyYAML reads it, to plain data, within budgets: size, aliases, depth; no tags, no merge cycles, no duplicate keys
 * (attacks 9). `lineOf(path)` finds the line of a member for error messages.
 */
export declare function readYaml(
  text: string,
  options?: { maxBytes?: number },
): { value: unknown; lineOf(path: readonly (string | number)[]): number | undefined }
