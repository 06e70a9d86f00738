import { pino, type DestinationStream, type Logger } from 'pino'
import type { Log } from '../world.ts'
import { loggable } from '../log-fields.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  /** Default `info`. */
  readonly level?: LogLevel
  /** A file descriptor, a file, or whatever takes lines. Default 2 (stderr). */
  readonly destination?: number | string | { write(line: string): void }
}

/** One JSON object a line. Written synchronously: the line before a crash is the one that is needed. */
export function realLog(options: LogOptions = {}): Log {
  return wrap(
    pino(
      {
        level: options.level ?? 'info',
        base: { pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      terminalSafe(openDestination(options.destination ?? 2)),
    ),
  )
}

function openDestination(destination: NonNullable<LogOptions['destination']>): { write(line: string): unknown } {
  return typeof destination === 'object' ? destination : pino.destination({ dest: destination, sync: true, mkdir: true })
}

/**
 * JSON escapes control characters below 0x20, but not DEL, the C1 controls (0x9b starts an escape sequence on some terminals),
 * line separators and text direction overrides: what a stranger sent must not act on the reader's screen.
 */
// oxlint-disable-next-line no-control-regex
const actsOnScreens = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

function terminalSafe(destination: { write(line: string): unknown }): DestinationStream {
  return {
    write(line) {
      destination.write(line.replace(actsOnScreens, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`))
    },
  }
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.isLevelEnabled('debug') && logger.debug(loggable(fields), message),
    info: (message, fields) => logger.isLevelEnabled('info') && logger.info(loggable(fields), message),
    warn: (message, fields) => logger.warn(loggable(fields), message),
    error: (message, fields) => logger.error(loggable(fields), message),
    child: (fields) => wrap(logger.child(loggable(fields))),
  }
}
