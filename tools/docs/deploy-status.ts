import { allDeployStatuses, firstStatusOf, isTransient, ruleOf, type DeployStatus, type PhasedVerb } from '@murmuration/dcmanager'
import { code, madeFrom, table } from './markdown.ts'

type Edge = readonly [from: string, to: string, label: string]

/** Operations of this version; statuses of others stand in the table for rows that an imported database brings along. */
const families: ReadonlySet<string> = new Set(['deploy', 'reconfigure-network', 'restore'])

const phaseVerbs = ['install', 'bootstrap', 'configure', 'complete'] as const satisfies readonly PhasedVerb[]

/**
 * How a phase goes from one status to the next stands in the code that runs phases: `playing(…, 'pre-install', 'installing')`, and
 * its table of ends. They are read from there, so that the diagram can't differ from it. Throws when that code has another shape.
 */
export function phaseEdges(source: string): Edge[] {
  const edges: Edge[] = []
  const begin = /\bbegin\(parts, context, '(\w+)', \[([^\]]*)\], '([\w-]+)'\)/g
  for (const [, phase = '', from = '', to = ''] of source.matchAll(begin))
    for (const [, status = ''] of from.matchAll(/'([\w-]+)'/g)) edges.push([status, to, phase])
  const step = /\bplaying\(parts, context, '\w+', '([\w-]+)', '([\w-]+)'\)|\{ from: '([\w-]+)', to: '([\w-]+)' \}/g
  for (const [, from, to, settled, end] of source.matchAll(step)) edges.push([from ?? settled ?? '', to ?? end ?? '', ''])
  const known = new Set<string>(allDeployStatuses)
  if (edges.length < 12 || edges.some(([from, to]) => !known.has(from) || !known.has(to)))
    throw new Error('services/dcmanager/src/work/phases.ts has another shape than the generator of its diagram expects')
  return edges
}

function lifecycleEdges(): Edge[] {
  const edges: Edge[] = []
  for (const status of allDeployStatuses) {
    const { operation, onLostJob, abort, verbs } = ruleOf(status)
    if (operation !== undefined && !families.has(operation)) continue
    if (abort !== undefined) edges.push([status, abort.to, 'abort'], [abort.to, abort.done, ''])
    if (onLostJob !== undefined) edges.push([status, onLostJob, 'fails'])
    for (const verb of phaseVerbs) if (verbs.includes(verb)) edges.push([status, firstStatusOf[verb], verb])
  }
  return edges
}

/** A change of the management network (PATCH of a subcloud) is no phase; it leads away from a settled status and back. */
const networkEdges: readonly Edge[] = [
  ['complete', 'reconfiguring-network', 'new network'],
  ['reconfiguring-network', 'complete', ''],
]

/** A restore begins from every status that the table calls restorable; drawn from one of them, or nothing else could be read. */
const restoreEdges: readonly Edge[] = [
  ['complete', 'pre-restore', 'restore'],
  ['pre-restore', 'pre-install', 'with_install'],
  ['installing', 'restoring', 'restore'],
  ['pre-restore', 'restoring', ''],
  ['restoring', 'complete', ''],
  ['restoring', 'factory-restore-complete', 'factory'],
  ['pre-restore', 'onsite-restoring', 'on_site'],
  ['onsite-restoring', 'complete', ''],
]

/** Legacy statuses lead somewhere, but nothing leads to them: only what a new subcloud can come to is drawn. */
function reachable(edges: readonly Edge[]): Edge[] {
  const reached = new Set<string>(['not-deployed'])
  for (const status of reached) for (const [from, to] of edges) if (from === status) reached.add(to)
  return edges.filter(([from]) => reached.has(from))
}

function diagram(edges: readonly Edge[]): string {
  const drawn = new Map<string, Edge>()
  for (const [from, to, label] of reachable(edges)) {
    const key = `${from} ${to}`
    drawn.set(key, [from, to, drawn.get(key)?.[2] || label])
  }
  // Names with dashes are no identifiers in Mermaid.
  const id = (status: string): string => status.replaceAll('-', '_')
  const used = allDeployStatuses.filter((status) => [...drawn.values()].some(([from, to]) => from === status || to === status))
  return [
    '```mermaid',
    'stateDiagram-v2',
    ...used.map((status) => `  state "${status}" as ${id(status)}`),
    `  [*] --> ${id('not-deployed')}`,
    ...[...drawn.values()].map(([from, to, label]) => `  ${id(from)} --> ${id(to)}${label === '' ? '' : `: ${label}`}`),
    '```',
  ].join('\n')
}

const row = (status: DeployStatus): string[] => {
  const rule = ruleOf(status)
  const kind = rule.operation === undefined || families.has(rule.operation) ? (rule.operation ?? '') : `${rule.operation} (later)`
  return [
    code(status),
    rule.meaning,
    isTransient(status) ? `yes, else ${code(rule.onLostJob ?? '')}` : '',
    kind,
    rule.audited,
    rule.deletable ? 'yes' : 'no',
    rule.restorable ? 'yes' : 'no',
    rule.verbs.map((verb) => (verb === 'enroll' ? 'enroll (later)' : verb)).join(', '),
  ]
}

/** docs/reference/deploy-status.md */
export function deployStatusPage(phasesSource: string): string {
  const columns = ['status', 'meaning', 'transitional', 'operation', 'audited', 'deletable', 'restorable', 'phased verbs']
  return [
    madeFrom('services/dcmanager/src/rules/lifecycle.ts and work/phases.ts'),
    '# Deploy statuses',
    'A subcloud has one of these statuses. *Transitional*: an operation works on it now, and every other operation is refused with 409; the\nstatus after "else" stands there when the operation fails, or when its job is gone. *Audited*: whether its agent is asked.\n*Phased verbs*: which `murmur deploy VERB` are accepted; `install`, `abort` and `resume` only during the first deployment.\n"(later)" marks what this version understands but does not do.',
    table(columns, allDeployStatuses.map(row)),
    '## How a deployment goes',
    'What `add`, `redeploy`, the phased verbs and a restore do in this version. `resume` begins at the first phase that remains. A restore\nbegins from every restorable status; one of them is drawn.',
    diagram([...phaseEdges(phasesSource), ...lifecycleEdges(), ...networkEdges, ...restoreEdges]),
    '',
  ].join('\n\n')
}
