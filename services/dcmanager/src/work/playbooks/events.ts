/** What the callback plugin (playbooks/callback_plugins/murmuration_events.py) says, one JSON object a line. */
export type PlaybookEvent =
  | { readonly event: 'play'; readonly play: string }
  | { readonly event: 'task'; readonly number: number; readonly task: string }
  | { readonly event: 'ok' | 'changed' | 'skipped' | 'retry'; readonly host: string; readonly task: string; readonly durationMs: number }
  | TaskFailed
  | { readonly event: 'no-hosts' }
  | { readonly event: 'stats' }

export interface TaskFailed {
  readonly event: 'failed' | 'unreachable'
  readonly host: string
  readonly task: string
  readonly durationMs: number
  readonly ignored: boolean
  readonly error: { readonly msg: string; readonly rc?: number; readonly stdout?: string; readonly stderr?: string }
}

/** Undefined for a line that is no event: a replaced playbook folder, or Ansible itself, may print what it likes. */
export function readEvent(line: string): PlaybookEvent | undefined {
  if (!line.startsWith('{')) return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  switch (value['event']) {
    case 'play':
      return { event: 'play', play: text(value['play']) }
    case 'task':
      return { event: 'task', number: count(value['number']), task: text(value['task']) }
    case 'ok':
    case 'changed':
    case 'skipped':
    case 'retry':
      return { event: value['event'], ...taskOf(value) }
    case 'failed':
    case 'unreachable':
      return { event: value['event'], ...taskOf(value), ignored: value['ignored'] === true, error: errorOf(value['error']) }
    case 'no-hosts':
    case 'stats':
      return { event: value['event'] }
    default:
      return undefined
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0)
const taskOf = (value: Record<string, unknown>) => ({
  host: text(value['host']),
  task: text(value['task']),
  durationMs: count(value['durationMs']),
})

function errorOf(value: unknown): TaskFailed['error'] {
  const error = isRecord(value) ? value : {}
  return {
    msg: text(error['msg']) || 'no reason was given',
    ...(typeof error['rc'] === 'number' ? { rc: error['rc'] } : {}),
    ...(text(error['stdout']) === '' ? {} : { stdout: text(error['stdout']) }),
    ...(text(error['stderr']) === '' ? {} : { stderr: text(error['stderr']) }),
  }
}
