import { Kysely } from 'kysely'
import { RedisDialect } from '../dialect.ts'
import type { RedisDialectOptions } from '../options.ts'
import { nodeEnvironment } from '../node.ts'

/* oxlint-disable typescript/no-explicit-any -- tests make tables as they need them */
export interface Opened extends AsyncDisposable {
  readonly db: Kysely<any>
  readonly dialect: RedisDialect
}

let number = 0

/** An empty database of its own on a server that others use too; closed at the end of the block. */
export function openRedis(url: string, options: Partial<RedisDialectOptions> = {}): Opened {
  const dialect = new RedisDialect({ url, environment: nodeEnvironment, namespace: `test${process.pid}.${number++}`, ...options })
  const db = new Kysely<any>({ dialect })
  return { db, dialect, [Symbol.asyncDispose]: () => db.destroy() }
}
