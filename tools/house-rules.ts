import { globSync, readFileSync } from 'node:fs'
import { dirname, normalize, relative } from 'node:path'

/**
 * The rules of the house that a general linter can't know (DESIGN §2, §3.1): imports go down only, services don't know each
 * other, and nothing but packages/world touches the outside. Prints one line a violation; exit code 1 when there is any.
 */

/** What each package may import; a package never imports a service. Order is the order of floors, from the ground up. */
const packageFloors: Readonly<Record<string, readonly string[]>> = {
  world: [],
  'kysely-redis': [],
  trust: ['world'],
  data: ['world'],
  archive: ['world', 'trust', 'data'],
  jobs: ['world', 'data'],
  rpc: ['world'],
  http: ['world', 'trust'],
  clients: ['world', 'trust', 'http'],
  site: ['world', 'trust', 'data', 'rpc', 'http', 'clients'],
}
const services = ['identity', 'platform', 'image', 'dcmanager']
/**
 * A package has one door. A second one leads to a few files without the rest, for commands and processes that would load it for
 * nothing (docs/architecture.md, "Floors"); or to what only tests and benchmarks use.
 */
const narrowDoors: readonly string[] = [
  'packages/http ./identity',
  'packages/http ./yaml',
  'packages/kysely-redis ./node',
  'packages/site ./config',
  'packages/world ./simulated',
  'services/image ./format',
  'services/platform ./ownership',
]
const doorForTests = /^\.\/(?:[a-z]+-)?(?:testing|bench)$/
const allPackages = Object.keys(packageFloors)

/** Which rooms of a service may be imported by which (DESIGN §2: api → rules → store, later work → clients → store). */
const roomMayImport: Readonly<Record<string, readonly string[]>> = {
  rules: ['rules', 'errors'],
  wire: ['wire', 'rules', 'store', 'errors'],
  store: ['store', 'rules', 'errors', 'wire'],
}

/** Globals and modules that are doors to the outside. */
const doors: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bDate\.now\(/, 'world.clock.nowMs()'],
  [/\bnew Date\(\)/, 'world.clock.nowMs()'],
  [/\bperformance\.now\(/, 'world.clock.monotonicMs()'],
  [/\bprocess\.hrtime/, 'world.clock.monotonicMs()'],
  [/(?<![.\w])set(Timeout|Interval|Immediate)\(/, 'world.timers'],
  [/\bMath\.random\(/, 'world.random'],
  [/(?<![.\w])fetch\(/, 'world.net.request()'],
  [/\bAbortSignal\.timeout\(/, 'world.timers'],
  [/from 'node:timers/, 'world.timers'],
  [/from '(node:child_process|node:cluster)'/, 'world.processes'],
  [/from '(undici|node:net|node:tls|node:dgram|node:dns)/, 'world.net'],
  [/^import (?!type |\{ STATUS_CODES \}).*from 'node:https?'/, 'world.net'],
  [/from 'node:fs/, 'world.files'],
  [/\b(randomUUID|randomBytes|randomInt|getRandomValues)\b/, 'world.random'],
]

interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

const importPattern = /(?:from|import)\s*\(?\s*'([^']+)'/g

function readSources(): SourceFile[] {
  return globSync('{packages,services,apps,simulation,conformance,bench}/**/*.ts')
    .filter((path) => !path.includes('node_modules'))
    .toSorted()
    .map((path) => {
      const text = readFileSync(path, 'utf8')
      return { path, text, imports: [...text.matchAll(importPattern)].map((match) => match[1] ?? '') }
    })
}

const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('/testing/')
/** The floor and the room that a path belongs to: ['services', 'dcmanager'], ['packages', 'data'], … */
const placeOf = (path: string): readonly [floor: string, room: string] => [path.split('/')[0] ?? '', path.split('/')[1] ?? '']

function importProblems(file: SourceFile): string[] {
  const [floor, room] = placeOf(file.path)
  const problems: string[] = []
  for (const target of file.imports) {
    if (target.startsWith('.')) {
      const resolved = normalize(`${dirname(file.path)}/${target}`)
      const [targetFloor, targetRoom] = placeOf(resolved)
      if (targetFloor !== floor || targetRoom !== room) problems.push(`imports ${resolved} by path: go through the package's door`)
      else if (floor === 'services' && !isTest(file.path)) problems.push(...roomProblems(file.path, resolved))
    } else if (target.startsWith('@murmuration/')) {
      const name = target.split('/')[1] ?? ''
      if (isTest(file.path)) continue
      if (floor === 'packages' && name !== room && !packageFloors[room]?.includes(name))
        problems.push(`packages/${room} may not import ${target}`)
      if (floor === 'services' && !allPackages.includes(name)) problems.push(`a service may not import ${target}: services speak HTTP`)
      if (floor === 'apps' && ![...allPackages, ...services].includes(name)) problems.push(`an app may not import ${target}`)
    }
  }
  return problems
}

function roomProblems(from: string, to: string): string[] {
  const room = (path: string): string => (path.split('/src/')[1] ?? '').split('/')[0]?.replace('.ts', '') ?? ''
  const allowed = roomMayImport[room(from)]
  return allowed === undefined || allowed.includes(room(to)) ? [] : [`${room(from)}/ may not import ${room(to)}/`]
}

function doorProblems(file: SourceFile): string[] {
  const [floor, room] = placeOf(file.path)
  const exempt =
    isTest(file.path) ||
    ['conformance', 'bench'].includes(floor) ||
    (floor === 'packages' && room === 'world') ||
    // For who uses it without this house.
    file.path === 'packages/kysely-redis/src/node.ts'
  if (exempt) return []
  const lines = file.text.split('\n')
  return doors
    .filter(([pattern]) => !(floor === 'packages' && room === 'data' && pattern.source.includes('node:fs')))
    .flatMap(([pattern, instead]) =>
      lines.flatMap((line, index) =>
        !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line) ? [`line ${index + 1}: ${pattern.source} — use ${instead}`] : [],
      ),
    )
}

function sizeProblems(file: SourceFile): string[] {
  const lines = file.text.split('\n').length
  return lines > 600 && !isTest(file.path) ? [`${lines} lines: split it (most files are under 150)`] : []
}

/**
 * A lock file written on one platform may lack the optional packages of the others, and `npm ci` on a fresh machine then refuses it.
 */
function lockProblems(): string[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  const unlisted = globSync('{packages,services,apps}/*/package.json')
    .map(dirname)
    .filter((folder) => packages[folder] === undefined)
    .map((folder) => `package-lock.json: the workspace ${folder} has no entry: npm ci will refuse it`)
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined)
      .map((name) => `package-lock.json: ${path} wants ${name}, which has no entry: npm ci will refuse it`),
  )
  return [...unlisted, ...missing]
}

function secondDoorProblems(): string[] {
  return globSync('{packages,services}/*/package.json').flatMap((path) => {
    const { exports } = JSON.parse(readFileSync(path, 'utf8')) as { exports: Record<string, string> }
    return Object.keys(exports)
      .filter((door) => door !== '.' && !doorForTests.test(door) && !narrowDoors.includes(`${dirname(path)} ${door}`))
      .map((door) => `${path}: ${door} is a second door: one door a package, or a reason in narrowDoors`)
  })
}

const sourceProblems = readSources().flatMap((file) =>
  [...importProblems(file), ...doorProblems(file), ...sizeProblems(file)].map((problem) => `${relative('.', file.path)}: ${problem}`),
)
const problems = [...sourceProblems, ...secondDoorProblems(), ...lockProblems()]
for (const problem of problems) process.stdout.write(`${problem}\n`)
process.exit(problems.length === 0 ? 0 : 1)
