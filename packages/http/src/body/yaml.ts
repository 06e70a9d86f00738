import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml'
import { forbiddenKeys } from './json.ts'
import { asPyYaml } from './pyyaml.ts'

/** Where and why a YAML text was refused. Becomes 400 with `field` and `line`. */
export class YamlRefused extends Error {
  readonly line: number | undefined
  constructor(message: string, line?: number) {
    super(message)
    this.name = 'YamlRefused'
    this.line = line
  }
}

const maxNodes = 20_000
const maxDepth = 32
const maxAliases = 100

/**
 * YAML 1.1 as PyYAML reads it, to plain data, within budgets: size, aliases, depth; no tags, no merge cycles, no duplicate keys
 * (attacks 9). `lineOf(path)` finds the line of a member for error messages.
 */
export function readYaml(
  text: string,
  options: { maxBytes?: number } = {},
): { value: unknown; lineOf: (path: readonly (string | number)[]) => number | undefined } {
  const maxBytes = options.maxBytes ?? 1024 * 1024
  if (Buffer.byteLength(text) > maxBytes) throw new YamlRefused(`the text is larger than ${maxBytes} bytes`)
  if (!text.isWellFormed() || text.includes('\0')) throw new YamlRefused('the text holds a character that YAML does not allow')
  checkNesting(text)
  const lines = new LineCounter()
  const lineAt = (offset: number | undefined): number | undefined => (offset === undefined ? undefined : lines.linePos(offset).line)
  const document = parseDocument(text, {
    version: '1.1',
    customTags: asPyYaml,
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    merge: true,
    logLevel: 'error',
  })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) throw new YamlRefused(sentenceOf(problem.code, problem.message), lineAt(problem.pos[0]))

  let nodes = 0
  let aliases = 0
  const refuse = (message: string, node: Node): never => {
    throw new YamlRefused(message, lineAt(node.range?.[0]))
  }
  visit(document, {
    Node(_, node, path) {
      if (++nodes > maxNodes) refuse(`more than ${maxNodes} values`, node)
      if (path.length > maxDepth * 2) refuse(`more than ${maxDepth} levels`, node)
      if (node.tag !== undefined && !plainTags.has(node.tag)) refuse('tags are not allowed', node)
      if (isAlias(node) && ++aliases > maxAliases) refuse(`more than ${maxAliases} aliases`, node)
    },
    Pair(_, pair) {
      const { key } = pair
      if (!isScalar(key)) throw new YamlRefused('a key that is not a plain value', lineAt((key as Node | null)?.range?.[0]))
      if (forbiddenKeys.has(String(key.value))) refuse(`the forbidden key '${String(key.value)}'`, key)
      // `<<` takes members from elsewhere; expanded below by the reader, but never from a node that it is part of.
    },
  })
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: maxAliases })
  } catch (error) {
    throw new YamlRefused(
      error instanceof ReferenceError ? 'the aliases stand for too much' : 'an alias or a merge that can not be resolved',
    )
  }
  return {
    value: plain(value, 0, { left: maxNodes * 5 }, new Set()),
    lineOf(path) {
      let node: unknown = document.contents
      let line: number | undefined
      for (const step of path) {
        if (isMap(node)) {
          const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
          if (pair === undefined) return line
          line = lineAt((pair.key as Node).range?.[0])
          node = pair.value
        } else if (isSeq(node)) {
          node = node.items[Number(step)]
          line = lineAt((node as Node | undefined)?.range?.[0]) ?? line
        } else return line
        if (isAlias(node)) node = node.resolve(document)
      }
      return line
    },
  }
}

const plainTags: ReadonlySet<string> = new Set(
  ['map', 'seq', 'str', 'null', 'bool', 'int', 'float', 'merge'].map((name) => `tag:yaml.org,2002:${name}`),
)

/** The parser recurses: a text of a hundred thousand brackets is refused before it sees it. */
function checkNesting(text: string): void {
  let open = 0
  let line = 1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x0a) line++
    else if (code === 0x5b || code === 0x7b) open++
    else if ((code === 0x5d || code === 0x7d) && open > 0) open--
    if (open > 256) throw new YamlRefused('too many open brackets', line)
  }
}

/** The parser's messages may quote the text, which may hold a secret: only known sentences go out. */
function sentenceOf(code: string, message: string): string {
  const known: Readonly<Record<string, string>> = {
    DUPLICATE_KEY: 'a key that stands there twice',
    TAB_AS_INDENT: 'a tab where only spaces may indent',
    MULTIPLE_DOCS: 'more than one document',
    TAG_RESOLVE_FAILED: 'tags are not allowed',
    BAD_ALIAS: 'an alias without its anchor',
    BAD_INDENT: 'wrong indentation',
    BLOCK_AS_IMPLICIT_KEY: 'a mapping where a plain value is expected; perhaps a missing line break or quote',
    MISSING_CHAR: 'a missing sign such as a closing quote, bracket or colon',
    UNEXPECTED_TOKEN: 'an unexpected sign',
    BAD_SCALAR_START: 'a value that starts with a reserved sign; put it in quotes',
    MULTILINE_IMPLICIT_KEY: 'a key over several lines; perhaps a missing colon',
  }
  if (/merge/i.test(message)) return 'a merge that can not be resolved'
  return known[code] ?? `not YAML (${code.toLowerCase().replaceAll('_', ' ')})`
}

/** Copies to fresh containers (aliases share theirs), counting what aliases multiply; cycles end here. */
function plain(value: unknown, depth: number, budget: { left: number }, above: Set<unknown>): unknown {
  if (--budget.left < 0) throw new YamlRefused('the aliases stand for too much')
  if (depth > maxDepth) throw new YamlRefused(`more than ${maxDepth} levels`)
  if (typeof value !== 'object' || value === null) return value
  if (above.has(value)) throw new YamlRefused('an alias inside of what it stands for')
  above.add(value)
  let copy: unknown
  if (Array.isArray(value)) copy = value.map((item) => plain(item, depth + 1, budget, above))
  else {
    const entries: [string, unknown][] = []
    for (const [name, item] of Object.entries(value)) {
      if (forbiddenKeys.has(name)) throw new YamlRefused(`the forbidden key '${name}'`)
      entries.push([name, plain(item, depth + 1, budget, above)])
    }
    copy = Object.fromEntries(entries)
  }
  above.delete(value)
  return copy
}
