import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { json } from '@murmuration/data'
import { ApiError, type ServerEvent } from '@murmuration/http'
import { forgetChanges } from '../store/change-stream.ts'
import { recordChanges } from '../store/changes.ts'
import { openAuditFixture, testEngines, until, type AuditFixture } from '../testing/audit-fixture.ts'
import { createChangeFeed, readersMost, type ChangeFeed } from './change-feed.ts'
import { changesTopic } from './topics.ts'

/** One change in a transaction of its own, as a writer makes it. */
async function write(fixture: AuditFixture, subcloudId: number, description: string): Promise<void> {
  await fixture.database.transaction((tx) => recordChanges(tx, fixture.world, [{ subcloudId, kind: 'updated', columns: { description } }]))
  await fixture.site.bus.client(changesTopic).changed({})
}

interface Reader {
  readonly seen: string[]
  cursor: string | undefined
  stop(): Promise<void>
}

/** Reads until it is stopped; remembers the last id as a client does. */
async function follow(feed: ChangeFeed, cursor?: string): Promise<Reader> {
  const stopping = new AbortController()
  const events = await feed.open(cursor, stopping.signal)
  const reader: Reader = {
    seen: [],
    cursor,
    async stop() {
      stopping.abort()
      await reading
    },
  }
  const reading = (async () => {
    for await (const event of events) {
      reader.cursor = event.id
      const description = (event.data as { fields?: { description: string } }).fields?.description
      if (description !== undefined) reader.seen.push(description)
    }
  })()
  await until(() => reader.cursor !== cursor || cursor !== undefined, 'the first event')
  return reader
}

const refusal = (status: number) => (error: unknown) => error instanceof ApiError && error.status === status

for (const engine of testEngines)
  describe(`the change feed on ${engine.name}`, () => {
    test('readers see what is committed after they came, in order, without polling for it', async () => {
      await using fixture = await openAuditFixture(engine.url())
      const feed = createChangeFeed(fixture.site, fixture.database)
      await feed.start()
      await write(fixture, 1, 'before')
      const reader = await follow(feed)
      for (const text of ['a', 'b', 'c']) await write(fixture, 1, text)
      await until(() => reader.seen.length === 3, 'three changes')
      assert.deepEqual(reader.seen, ['a', 'b', 'c'])
      await reader.stop()
      assert.equal(feed.readers, 0)
      await feed.stop()
    })

    test('a reader that comes and goes while many write at once misses nothing and sees nothing twice', async () => {
      await using fixture = await openAuditFixture(engine.url())
      const feed = createChangeFeed(fixture.site, fixture.database)
      await feed.start()
      await write(fixture, 1, 'first')
      const steady = await follow(feed)
      let restless = await follow(feed, steady.cursor)
      const collected: string[] = []
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; n < 25; n += 1) await write(fixture, writer + 1, `${writer}.${n}`)
      })
      let done = false
      const writing = Promise.all(writers).then(() => (done = true))
      while (!done) {
        const before = restless.seen.length
        await until(() => restless.seen.length > before || done, 'something to read')
        await restless.stop()
        collected.push(...restless.seen)
        restless = await follow(feed, restless.cursor)
      }
      await writing
      await until(() => collected.length + restless.seen.length >= 200 && steady.seen.length >= 200, 'all changes')
      collected.push(...restless.seen)
      assert.equal(new Set(collected).size, 200)
      assert.deepEqual(collected, steady.seen)
      for (let writer = 0; writer < 8; writer += 1) {
        const own = collected.filter((text) => text.startsWith(`${writer}.`))
        assert.deepEqual(
          own,
          Array.from({ length: 25 }, (_, n) => `${writer}.${n}`),
        )
      }
      await Promise.all([steady.stop(), restless.stop()])
      await feed.stop()
    })

    test('a resumed reader catches up through more than the feed keeps in memory', async () => {
      await using fixture = await openAuditFixture(engine.url())
      const feed = createChangeFeed(fixture.site, fixture.database)
      await feed.start()
      await write(fixture, 1, 'first')
      const early = await follow(feed)
      const { cursor } = early
      await early.stop()
      const watching = await follow(feed)
      const many = Array.from({ length: 1_500 }, (_, n) => ({ subcloudId: 1, kind: 'updated' as const, columns: { description: `${n}` } }))
      await fixture.database.transaction((tx) => recordChanges(tx, fixture.world, many))
      await until(() => watching.seen.length === 1_500, 'the one that watched')
      const late = await follow(feed, cursor)
      await until(() => late.seen.length === 1_500, 'the one that was away')
      assert.deepEqual(late.seen, watching.seen)
      await Promise.all([late.stop(), watching.stop()])
      await feed.stop()
    })

    test('attack 37: forged cursors are refused, forgotten ones are said to be gone', async () => {
      await using fixture = await openAuditFixture(engine.url())
      const feed = createChangeFeed(fixture.site, fixture.database)
      const { signal } = new AbortController()
      for (const text of ['a', 'b', 'c']) {
        fixture.world.shiftMs(1_000)
        await write(fixture, 1, text)
      }
      const reader = await follow(feed)
      const genuine = reader.cursor!
      const [seq, stamp] = genuine.split('-') as [string, string]
      await reader.stop()
      const forged = [
        'x',
        '1',
        '-1-0',
        '999999-abc',
        `${Number(seq) - 1}-${stamp}`,
        `${seq}-${stamp}x`,
        `${seq}-0`,
        `0${seq}-${stamp}`,
        '1e3-0',
        '9'.repeat(30),
      ]
      for (const cursor of forged) await assert.rejects(feed.open(cursor, signal), refusal(400), cursor)
      const rows = await fixture.database.query.selectFrom('subcloud_changes').selectAll().orderBy('seq').execute()
      const oldest = `${rows[0]!.seq}-${Date.parse(`${rows[0]!.at}Z`).toString(36)}`
      await forgetChanges(fixture.database, fixture.world.clock.nowMs() + 1, 1_000)
      await assert.rejects(feed.open(oldest, signal), refusal(410))
      await assert.rejects(feed.open('0-0', signal), refusal(410))
      const again = await follow(feed, genuine)
      assert.deepEqual(again.seen, [], 'the last row stays: its reader goes on')
      await again.stop()
      const left = await fixture.database.query.selectFrom('subcloud_changes').select('fields').execute()
      assert.deepEqual(
        left.map((row) => json.read(row.fields)),
        [{ description: 'c' }],
      )
    })
  })

test('readers are bounded', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  const feed = createChangeFeed(fixture.site, fixture.database)
  const leaving = new AbortController()
  const opened: AsyncIterable<ServerEvent>[] = []
  for (let n = 0; n < readersMost; n += 1) opened.push(await feed.open(undefined, leaving.signal))
  await assert.rejects(feed.open(undefined, leaving.signal), refusal(503))
  leaving.abort()
  for (const events of opened) for await (const _ of events) break
  assert.equal(feed.readers, 0)
})
