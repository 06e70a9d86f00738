import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'

/** One file of the data layer with one condition taken away. */
export interface Mutant {
  readonly name: string
  /** Below src. */
  readonly file: string
  readonly source: string
}

const source = (file: string): string => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
const inParentheses = String.raw`\((?:[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))*\)`

/** The text with each match replaced, one at a time; `begin` skips what stands before it. */
function* each(file: string, pattern: RegExp, replace: string, begin = ''): Generator<Mutant> {
  const text = source(file)
  const from = begin === '' ? 0 : text.indexOf(begin)
  if (from < 0) throw new Error(`${file} has no "${begin}" any more`)
  for (const match of text.matchAll(pattern)) {
    if (match.index < from) continue
    const mutated = text.slice(0, match.index) + replace + text.slice(match.index + match[0].length)
    const line = text.slice(0, match.index).split('\n').length
    yield { name: `${file}:${line}: ${match[0].replaceAll(/\s+/g, ' ')} → ${replace}`, file, source: mutated }
  }
}

/** Each member of a list of conditions left out. */
function* eachMember(file: string): Generator<Mutant> {
  const text = source(file)
  for (const match of text.matchAll(/eb\.(?:or|and)\(\[/g)) {
    const start = match.index + match[0].length
    const members: [number, number][] = []
    let depth = 0
    let from = start
    for (let at = start; ; at += 1) {
      const sign = text[at] ?? ''
      if (depth === 0 && (sign === ',' || sign === ']')) {
        members.push([from, at])
        from = at + 1
        if (sign === ']') break
      }
      if ('([{'.includes(sign)) depth += 1
      if (')]}'.includes(sign)) depth -= 1
    }
    for (const [begin, end] of members) {
      const line = text.slice(0, begin).split('\n').length
      yield {
        name: `${file}:${line}: without ${text.slice(begin, end).trim()}`,
        file,
        source: `${text.slice(0, begin)}${text.slice(end).replace(/^,/, '')}`,
      }
    }
  }
}

const where = new RegExp(String.raw`\.where${inParentheses}`, 'g')
const list = 'store/list-images.ts'
const read = 'store/read-images.ts'
const rule = 'rules/visibility.ts'
const filters = 'rules/list-filters.ts'
const [namespaces, tasks] = ['store/metadefs/namespaces.ts', 'store/tasks.ts']

/** Each filter, each condition of a statement that reads, each rule of visibility: taken away, or true for all. */
export const mutants = (): Mutant[] => [
  ...each(list, where, ''),
  ...eachMember(list),
  ...each(list, /is\(eb, visibility as 'public'\)/g, "eb('images.id', '!=', '')"),
  ...each(list, /return given\.length === 0 \? nothing : .*/g, 'return undefined'),
  ...each(list, /if \(values\.length === 1\) return/g, 'if (values.length === 1) return undefined;return'),
  // Rows of other images are sorted out again where children are grouped: without that condition only time is lost.
  ...[...each(read, where, '')].filter(({ name }) => !name.includes("'in', ids")),
  ...each(read, /row\.deleted === 1 && options\.deleted !== true/g, 'false'),
  ...each(read, /row\.status === 'deactivated' && !caller\.isAdmin/g, 'false'),
  ...each(read, /if \(mayChange\(caller, row\)\) return row/g, 'return row'),
  ...each(read, /if \(!\(await isVisible\(db, caller, row\)\)\)/g, 'if (row === undefined)'),
  ...each('store/members.ts', where, '', 'export async function findMembers'),
  ...eachMember('store/members.ts'),
  ...each(rule, /who\.isAdmin|image\.(?:owner|visibility) [!=]== (?:null|'\w+'|who\.owner)/g, 'false', 'export const mayRead'),
  ...each(rule, /image\.visibility === 'shared'(?= &&)|image\.owner !== null(?= &&)|(?<=&& )image\.owner === who\.owner/g, 'true'),
  ...each(rule, /&& isMember/g, ''),
  ...each(filters, /conditions\.push\(/g, 'void [].push('),
  ...each(filters, /deleted = true\b/g, 'deleted = false'),
  ...[namespaces, 'store/metadefs/entries.ts', 'store/metadefs/resource-types.ts'].flatMap((file) => [...each(file, where, '')]),
  ...eachMember(namespaces),
  ...each(namespaces, /!caller\.isAdmin && row\.visibility[^)]*|!caller\.isAdmin && namespace\.owner[^)]*/g, 'false'),
  ...each(namespaces, /row\.visibility !== 'public' && |&& row\.owner !== caller\.owner/g, ''),
  // What sweeps ended tasks is no command.
  ...[...each(tasks, where, '')].filter(({ name }) => !/expires_at|'success'|, ids/.test(name)),
  ...each(tasks, /!caller\.isAdmin && row\.owner !== caller\.owner|row\.deleted === 1 && !deleted && !seesDeleted\(caller\)/g, 'false'),
  ...each(tasks, / \|\| wanted\.admin_as_user === true/g, ''),
  // Without a size nothing is added anyway.
  ...[...each('store/usage.ts', where, '')].filter(({ name }) => /images\.(?:owner|status|id)|image_locations/.test(name)),
]

/** What imports the mutated files, up to the commands: loaded anew for each mutant. */
const own =
  /\/services\/image\/src\/(?:store\/(?:direct|data|imports|list-images|read-images|write-images|members|tasks|usage|metadefs\/\w[\w-]*)|rules\/(?:visibility|list-filters))\.ts$/
const stripped = new Map<string, string>()
const plain = (path: string): string => {
  let text = stripped.get(path)
  if (text === undefined) stripped.set(path, (text = stripTypeScriptTypes(readFileSync(new URL(path), 'utf8'))))
  return text
}
let mutated: Mutant | undefined
let installed = false
let count = 0

/** The data layer as it is with the mutant, in this process. */
export async function loadMutant(mutant: Mutant): Promise<typeof import('../store/direct.ts')> {
  if (!installed) {
    installed = true
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context)
        const tag = /\?mutant=\d+$/.exec(context.parentURL ?? '')?.[0]
        return tag !== undefined && own.test(found.url) && !found.url.includes('?') ? { ...found, url: found.url + tag } : found
      },
      load(url, context, next) {
        const [path = '', tag] = url.split('?mutant=')
        if (tag === undefined) return next(url, context)
        const changed = mutated !== undefined && path.endsWith(`/${mutated.file}`)
        return { format: 'module', shortCircuit: true, source: changed ? stripTypeScriptTypes(mutated!.source) : plain(path) }
      },
    })
  }
  mutated = mutant
  count += 1
  return (await import(`../store/direct.ts?mutant=${count}`)) as typeof import('../store/direct.ts')
}
