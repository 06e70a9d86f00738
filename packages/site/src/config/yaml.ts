import { LineCounter, isNode, parseDocument } from 'yaml'

export class YamlRefused extends Error {
  readonly line: number | undefined
  constructor(message: string, line?: number) {
    super(message)
    this.name = 'YamlRefused'
    this.line = line
  }
}

/** Stands in for the http package's reader until that has landed. */
export function readYaml(
  text: string,
  options: { maxBytes?: number } = {},
): { value: unknown; lineOf(path: readonly (string | number)[]): number | undefined } {
  if (Buffer.byteLength(text) > (options.maxBytes ?? 1 << 20)) throw new YamlRefused('is too large')
  const lines = new LineCounter()
  const document = parseDocument(text, { version: '1.1', lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) throw new YamlRefused(error.message, lines.linePos(error.pos[0]).line)
  return {
    value: document.toJS({ maxAliasCount: 10 }),
    lineOf(path) {
      const node = document.getIn(path, true)
      return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined
    },
  }
}
