import type { Log } from '../world.ts'
import { loggable } from '../log-fields.ts'
import type { ProcessCore } from './process.ts'

/** Log lines are part of the trace, so that a failing seed tells its story in one place. */
export function simulatedLog(core: ProcessCore, bound: Readonly<Record<string, unknown>> = {}): Log {
  const line = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
    core.note(`${level} ${printable(message)} ${fieldsText({ ...bound, ...fields })}`.trimEnd())
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: (fields) => simulatedLog(core, { ...bound, ...fields }),
  }
}

function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  if (Object.keys(fields).length === 0) return ''
  try {
    // Stacks name places on this machine; a trace must be the same on every one.
    return printable(JSON.stringify(loggable(fields), (key, value: unknown) => (key === 'stack' ? undefined : value)))
  } catch {
    return '{unprintable}'
  }
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
