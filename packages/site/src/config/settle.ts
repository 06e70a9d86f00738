import { basename, dirname, resolve } from 'node:path'
import { readYaml, YamlRefused } from '@murmuration/http/yaml'
import type { World } from '@murmuration/world'
import { crossChecks } from './cross-checks.ts'
import { environmentName, options, type Option, type OptionPath, type Values } from './options.ts'
import { Unacceptable } from './parsers.ts'
import { didYouMean } from './similar.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export interface Problem {
  readonly path: string
  readonly line?: number
  readonly message: string
}
export interface EffectiveValue {
  readonly path: string
  readonly value: string
  readonly source: string
}
export interface Settled {
  /** Undefined when there are problems. */
  readonly values: Values | undefined
  readonly effective: readonly EffectiveValue[]
  readonly problems: readonly Problem[]
}

const maxBytes = 256 * 1024
const paths = Object.keys(options) as OptionPath[]
const sections = new Set(
  paths.flatMap((path) =>
    path
      .split('.')
      .slice(0, -1)
      .map((_, index, parts) => parts.slice(0, index + 1).join('.')),
  ),
)

/** Reads the file and the environment and settles every option; finds all problems at once. */
export async function settle(world: World, file: string, environment: Environment): Promise<Settled> {
  const read = await readFile(world, file)
  const problems: Problem[] = [...read.problems]
  if (read.fatal) return { values: undefined, effective: [], problems }
  const folder = dirname(resolve(file))
  const known: Record<string, unknown> = {}
  const effective: EffectiveValue[] = []
  const lineAt = (path: string): { line?: number } => {
    const line = read.lineOf(path.split('.'))
    return line === undefined ? {} : { line }
  }

  for (const path of paths) {
    const option = options[path] as Option<unknown>
    const variable = environmentName(path)
    const fromEnvironment = environment[variable]
    const source = fromEnvironment !== undefined ? variable : read.found.has(path) ? basename(file) : 'default'
    const raw = fromEnvironment ?? read.found.get(path)
    try {
      known[path] = source === 'default' ? option.fallback(known) : option.parse(raw, { folder })
    } catch (error) {
      if (!(error instanceof Unacceptable)) throw error
      const where = source === variable ? `${variable}: ` : ''
      problems.push({ path, ...(source === variable ? {} : lineAt(path)), message: `${where}${error.message}` })
      known[path] = option.fallback(known)
    }
    if (known[path] === undefined && option.optional === undefined && source === 'default') {
      problems.push({ path, message: `is missing (${option.description}): add it to ${basename(file)}, or set ${variable}` })
    }
    const value = known[path]
    effective.push({ path, value: value === undefined ? '' : (option.show?.(value) ?? text(value)), source })
  }
  problems.push(...misspelled(environment))
  if (problems.length === 0) {
    for (const finding of crossChecks(known as Values)) problems.push({ ...finding, ...lineAt(finding.path) })
  }
  return { values: problems.length === 0 ? (known as Values) : undefined, effective, problems }
}

const text = (value: unknown): string =>
  typeof value === 'string' ? value : Array.isArray(value) ? value.join(',') : JSON.stringify(value)

interface FileContent {
  /** Nothing more can be said: the file is not there, or is no YAML. */
  readonly fatal: boolean
  readonly problems: readonly Problem[]
  readonly found: ReadonlyMap<string, unknown>
  readonly lineOf: (path: readonly string[]) => number | undefined
}

async function readFile(world: World, file: string): Promise<FileContent> {
  const refused = (message: string, line?: number): FileContent => ({
    fatal: true,
    problems: [{ path: basename(file), ...(line === undefined ? {} : { line }), message }],
    found: new Map(),
    lineOf: () => undefined,
  })
  let bytes: Uint8Array | undefined
  try {
    bytes = await world.files.read(file)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === undefined) throw error
    return refused(code === 'EISDIR' ? 'is a folder: give the path of a site file' : `can not be read (${code})`)
  }
  if (bytes === undefined) return refused('is not there: give the path of a site file')
  try {
    const yaml = readYaml(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { maxBytes })
    if (yaml.value !== null && yaml.value !== undefined && (typeof yaml.value !== 'object' || Array.isArray(yaml.value))) {
      return refused('is not a mapping: write one option a line, like name: north')
    }
    const found = new Map<string, unknown>()
    const problems: Problem[] = []
    const lineOf = (path: readonly string[]): number | undefined => yaml.lineOf(path)
    collect((yaml.value ?? {}) as Record<string, unknown>, [], lineOf, found, problems)
    return { fatal: false, problems, found, lineOf }
  } catch (error) {
    if (error instanceof YamlRefused) return refused(error.message, error.line)
    if (error instanceof TypeError) return refused('is not UTF-8 text: save it as such')
    throw error
  }
}

function collect(
  members: Record<string, unknown>,
  above: readonly string[],
  lineOf: FileContent['lineOf'],
  found: Map<string, unknown>,
  problems: Problem[],
): void {
  for (const [key, value] of Object.entries(members)) {
    const parts = [...above, key]
    const path = parts.join('.')
    const line = lineOf(parts)
    const report = (message: string): void => void problems.push({ path, ...(line === undefined ? {} : { line }), message })
    if (key.includes('.')) {
      report('has a dot: write the section on a line of its own, and the option indented below it')
    } else if (Object.hasOwn(options, path)) {
      if (value !== null) found.set(path, value)
    } else if (sections.has(path)) {
      if (value === null) continue
      if (typeof value !== 'object' || Array.isArray(value)) report('is a section: indent its options below it')
      else collect(value as Record<string, unknown>, parts, lineOf, found, problems)
    } else {
      const prefix = above.length === 0 ? '' : `${above.join('.')}.`
      const siblings = [...paths, ...sections].filter((p) => p.startsWith(prefix) && !p.slice(prefix.length).includes('.'))
      const names = siblings.map((p) => p.slice(prefix.length))
      const meant = elsewhere(key) ?? didYouMean(key, names)
      report(`is not an option${meant === undefined ? '' : `: did you mean ${meant}?`}`)
    }
  }
}

/** A key in the wrong section (`identityTls` at the top) is as usual as a misspelt one. */
const elsewhere = (key: string): string | undefined => paths.find((path) => path.endsWith(`.${key}`) || path === key)

/** A variable that is nearly one of ours would be ignored in silence. */
function misspelled(environment: Environment): Problem[] {
  const known = paths.map(environmentName)
  return Object.keys(environment)
    .filter((variable) => variable.startsWith('MURMUR_') && !known.includes(variable))
    .flatMap((variable) => {
      const meant = didYouMean(variable, known, 2)
      return meant === undefined ? [] : [{ path: variable, message: `is not an option: did you mean ${meant}?` }]
    })
}
