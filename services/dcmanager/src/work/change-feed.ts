import type { Database } from '@murmuration/data'
import { json } from '@murmuration/data'
import type { ServerEvent } from '@murmuration/http'
import type { Serving } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import { errors } from '../errors.ts'
import { readChange, readChangesAfter, readHead, readTail, type ChangeRow } from '../store/change-stream.ts'
import type { Schema } from '../store/schema.ts'
import { createRounds } from './state-rounds.ts'
import { changesTopic } from './topics.ts'

/** New changes are looked for this often when no message says that there are some. */
const pollMs = 1_000
/** The newest changes are read once for all readers and kept; who is further behind reads for itself. */
const keptRows = 1_024
const batchRows = 100
/** Readers at once in this process; each holds a connection. */
export const readersMost = 512

export interface ChangeFeed {
  start(): Promise<void>
  stop(): Promise<void>
  /** Behind a cursor, or from now on without one. Rejects with 400 on a cursor that was never given, 410 when too much is forgotten. */
  open(cursor: string | undefined, signal: AbortSignal): Promise<AsyncIterable<ServerEvent>>
  readonly readers: number
}

/** The stream of changes for the readers of one process. */
export function createChangeFeed(site: Site, database: Database<Schema>): ChangeFeed {
  const { world } = site
  /** Gap-free up to `head`, and begins behind `keptFrom`. */
  let kept: ChangeRow[] = []
  let keptFrom = 0
  let head = 0
  let readers = 0
  const waiting = new Set<() => void>()
  const ending = new AbortController()
  let serving: Serving | undefined

  const rounds = createRounds(world, {
    name: 'looking for changes of subclouds',
    log: world.log.child({ part: 'change-feed' }),
    everyMs: pollMs,
    leastMs: 10,
    async run(signal) {
      const watched = (): boolean => readers > 0 && !signal.aborted
      while (watched()) {
        const rows = await readChangesAfter(database, head, keptRows)
        if (rows.length === 0) return
        take(rows)
      }
    },
  })

  function take(rows: readonly ChangeRow[]): void {
    // Somebody else may have moved the head while these were read.
    const fresh = rows.filter((row) => row.seq > head)
    kept = [...kept, ...fresh]
    head = kept.at(-1)?.seq ?? head
    if (kept.length > keptRows) {
      keptFrom = kept[kept.length - keptRows - 1]!.seq
      kept = kept.slice(-keptRows)
    }
    for (const wake of waiting) wake()
  }

  async function follow(): Promise<ChangeRow | undefined> {
    const last = await readHead(database)
    if (readers === 0 || head === 0) {
      kept = []
      head = last?.seq ?? 0
      keptFrom = head
    }
    return last
  }

  const nextOf = (position: number): ChangeRow[] | Promise<ChangeRow[]> => {
    if (position >= head) return []
    if (position < keptFrom) return readChangesAfter(database, position, batchRows)
    const first = firstAfter(kept, position)
    return kept.slice(first, first + batchRows)
  }

  const change = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      waiting.add(wake)
      if (signal.aborted) wake()
      else signal.addEventListener('abort', wake, { once: true })
    })

  async function* read(start: Position, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    try {
      yield { id: start.cursor, event: 'ready', data: {} }
      let position = start.seq
      while (!signal.aborted) {
        const rows = await nextOf(position)
        for (const row of rows) {
          if (signal.aborted) return
          yield eventOf(row)
          position = row.seq
        }
        if (rows.length === 0) await change(signal)
        // Lets the connection take what it was given before it is given more: only who does not read is cut.
        else await world.timers.sleep(0).catch(() => {})
      }
    } finally {
      readers -= 1
    }
  }

  return {
    async start() {
      serving = await site.bus.serve(changesTopic, { changed: async () => rounds.wake() })
      rounds.start()
    },
    async stop() {
      // Readers go on elsewhere with the cursor that they have.
      ending.abort()
      await serving?.stop()
      await rounds.stop()
    },
    async open(cursor, signal) {
      if (readers >= readersMost) throw errors.tooManyReaders({ most: readersMost })
      const last = await follow()
      const start = cursor === undefined ? positionOf(last) : await resume(database, cursor, head)
      readers += 1
      return read(start, AbortSignal.any([signal, ending.signal]))
    },
    get readers() {
      return readers
    },
  }
}

interface Position {
  readonly seq: number
  readonly cursor: string
}

const beginning: Position = { seq: 0, cursor: '0-0' }

/** A number alone could be guessed, or belong to a database that was restored since; with the moment of its change it can not. */
const positionOf = (row: ChangeRow | undefined): Position =>
  row === undefined ? beginning : { seq: row.seq, cursor: `${row.seq}-${Date.parse(`${row.at}Z`).toString(36)}` }

async function resume(database: Database<Schema>, cursor: string, head: number): Promise<Position> {
  const found = /^(0|[1-9][0-9]{0,14})-[0-9a-z]{1,12}$/.exec(cursor)
  if (found === null) throw errors.cursorInvalid()
  const seq = Number(found[1])
  if (seq > head) throw errors.cursorInvalid()
  if (cursor === beginning.cursor) {
    const tail = await readTail(database)
    if (tail !== undefined && tail.seq > 1) throw errors.cursorExpired()
    return beginning
  }
  const row = await readChange(database, seq)
  if (row !== undefined) {
    const position = positionOf(row)
    if (position.cursor !== cursor) throw errors.cursorInvalid()
    return position
  }
  const tail = await readTail(database)
  throw tail !== undefined && seq < tail.seq && seq > 0 ? errors.cursorExpired() : errors.cursorInvalid()
}

const eventOf = (row: ChangeRow): ServerEvent => ({
  id: positionOf(row).cursor,
  event: `subcloud.${row.kind}`,
  data: { id: row.subcloud_id, at: row.at, fields: json.read(row.fields) },
})

/** Index of the first row behind a position. */
function firstAfter(rows: readonly ChangeRow[], position: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (rows[middle]!.seq <= position) low = middle + 1
    else high = middle
  }
  return low
}
