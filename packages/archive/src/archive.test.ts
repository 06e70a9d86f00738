import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Secret } from '@murmuration/trust'
import { createRealWorld } from '@murmuration/world'
import * as fc from 'fast-check'
import { pack, recordKinds, seal, type RecordKind } from './chunks.ts'
import { makeHeader } from './header.ts'
import { ArchiveRefused, createArchive, keyFromPassphrase, keyFromText, readArchive } from './index.ts'
import type { ArchiveHead, ArchiveKey, ArchiveRefusal, EntryHead, Manifest } from './index.ts'

const world = createRealWorld({ log: { level: 'silent' }, timersKeepAlive: true })
const folder = mkdtempSync(join(tmpdir(), 'archive-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const key = keyFromText(new Secret(randomBytes(32).toString('base64')))
const head: ArchiveHead = {
  format: 1,
  kind: 'site',
  site: { name: 'edge-1', role: 'subcloud', region: 'r1' },
  release: '26.09',
  createdAt: '2026-03-09T18:54:16.183Z',
  facts: { note: 'ä' },
}
const file = (name: string, mode = 0o600): EntryHead => ({ name, kind: 'file', mode, facts: {} })

async function* pieces(data: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < data.length; from += size) yield data.subarray(from, from + size)
}

let made = 0
async function archiveOf(
  files: Readonly<Record<string, Uint8Array>>,
  under: ArchiveKey = key,
  size?: number,
): Promise<{ path: string; manifest: Manifest }> {
  const path = join(folder, `${made++}.archive`)
  const manifest = await createArchive(world, path, under, head, async (archive) => {
    for (const [name, data] of Object.entries(files)) await archive.add(file(name), pieces(data, size))
  })
  return { path, manifest }
}

async function unpacked(path: string, under: ArchiveKey = key): Promise<{ files: Record<string, Buffer>; manifest: Manifest }> {
  const files: Record<string, Buffer> = {}
  const manifest = await readArchive(world, path, under, {
    async entry({ name }, content) {
      const found: Uint8Array[] = []
      for await (const piece of content) found.push(piece)
      files[name] = Buffer.concat(found)
    },
  })
  return { files, manifest }
}

const reasonOf = async (work: Promise<unknown>): Promise<ArchiveRefusal | 'fine'> => {
  try {
    await work
    return 'fine'
  } catch (error) {
    assert.ok(error instanceof ArchiveRefused, String(error))
    return error.reason
  }
}

void describe('an archive', () => {
  void test('gives back what was put in, whatever it is', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc.tuple(fc.nat({ max: 255 }), fc.integer({ min: 262_100, max: 600_000 })).map(([byte, length]) => new Uint8Array(length).fill(byte)),
    )
    const name = fc
      .stringMatching(/^[a-z0-9äß .-]{1,12}(\/[a-z0-9]{1,5}){0,3}$/)
      .filter((text) => !text.split('/').some((part) => /^\.{1,2}$/.test(part)))
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(name, content), { selector: ([text]) => text.split('/')[0]!, maxLength: 6 }),
        fc.integer({ min: 500, max: 70_000 }),
        async (list, size) => {
          const files = Object.fromEntries(list.map(([text, data]) => [text, Buffer.from(data)]))
          const { path, manifest } = await archiveOf(files, key, size)
          const read = await unpacked(path)
          assert.deepEqual(Object.keys(read.files), Object.keys(files))
          for (const [text, data] of Object.entries(files)) assert.ok(data.equals(read.files[text]!), text)
          assert.deepEqual(read.manifest, manifest)
          assert.equal(manifest.archiveBytes, statSync(path).size)
          assert.equal(statSync(path).mode & 0o777, 0o600)
        },
      ),
      { numRuns: 30 },
    )
  })

  void test('of which any byte was changed is refused, and nothing false is ever given out', async () => {
    const files = { 'site.yaml': Buffer.from('name: edge-1\n'), empty: Buffer.alloc(0), 'var/secret': Buffer.from('x'.repeat(700)) }
    const { path } = await archiveOf(files)
    const whole = readFileSync(path)
    const broken = join(folder, 'broken')
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at % 8)
      writeFileSync(broken, bytes)
      const reason = await reasonOf(
        readArchive(world, broken, key, {
          async entry({ name }, content) {
            for await (const piece of content)
              assert.ok(files[name as keyof typeof files].includes(Buffer.from(piece)), 'proven before it is given')
          },
        }),
      )
      assert.ok(reason === 'damaged' || (at < 8 && reason === 'not-an-archive'), `byte ${at}: ${reason}`)
    }
  })

  void test('that was cut, or has something behind its end, is refused', async () => {
    const { path } = await archiveOf({ a: Buffer.from('a'.repeat(100)), b: Buffer.from('b') })
    const whole = readFileSync(path)
    const broken = join(folder, 'cut')
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(broken, whole.subarray(0, length))
      const reason = await reasonOf(readArchive(world, broken, key))
      assert.ok(reason === 'damaged' || (length === 0 && reason === 'not-an-archive'), `${length} bytes: ${reason}`)
    }
    for (const more of [Buffer.from([0]), whole, whole.subarray(66)]) {
      writeFileSync(broken, Buffer.concat([whole, more]))
      assert.equal(await reasonOf(readArchive(world, broken, key)), 'damaged')
    }
  })

  void test('whose chunks were moved, repeated, left out or exchanged is refused', async () => {
    const files = { a: randomBytes(300_000), b: randomBytes(300_000) }
    const [one, other] = [readFileSync((await archiveOf(files)).path), readFileSync((await archiveOf(files)).path)]
    const chunksOf = (bytes: Buffer): Buffer[] => {
      const chunks: Buffer[] = []
      for (let at = 66; at < bytes.length;) {
        const end = at + 4 + bytes.readUInt32BE(at)
        chunks.push(bytes.subarray(at, end))
        at = end
      }
      return chunks
    }
    const [chunks, foreign] = [chunksOf(one), chunksOf(other)]
    const broken = join(folder, 'shuffled')
    const changed: Buffer[][] = []
    for (let at = 0; at < chunks.length; at += 1) {
      changed.push(chunks.toSpliced(at, 1), chunks.toSpliced(at, 0, chunks[at]!), chunks.with(at, foreign[at]!))
      if (at > 0) changed.push(chunks.toSpliced(at - 1, 2, chunks[at]!, chunks[at - 1]!))
    }
    for (const list of changed) {
      writeFileSync(broken, Buffer.concat([one.subarray(0, 66), ...list]))
      assert.equal(await reasonOf(readArchive(world, broken, key)), 'damaged')
    }
  })

  void test('says plainly when the key is another one, or no archive is there', async () => {
    const right = keyFromPassphrase(new Secret('correct horse battery'))
    const { path } = await archiveOf({ a: Buffer.from('a') }, right)
    assert.equal(await reasonOf(readArchive(world, path, right)), 'fine')
    assert.equal(await reasonOf(readArchive(world, path, keyFromPassphrase(new Secret('correct horse batterz')))), 'wrong-key')
    assert.equal(await reasonOf(readArchive(world, path, key)), 'wrong-kind-of-key')
    const other = await archiveOf({ a: Buffer.from('a') })
    assert.equal(await reasonOf(readArchive(world, other.path, keyFromText(new Secret(randomBytes(32).toString('base64'))))), 'wrong-key')
    assert.equal(await reasonOf(readArchive(world, other.path, right)), 'wrong-kind-of-key')
    assert.equal(await reasonOf(readArchive(world, join(folder, 'nowhere'), key)), 'missing')
    assert.equal(await reasonOf(readArchive(world, folder, key)), 'missing')
    writeFileSync(join(folder, 'text'), 'name: edge-1\n'.repeat(100))
    assert.equal(await reasonOf(readArchive(world, join(folder, 'text'), key)), 'not-an-archive')
    const later = Buffer.from(readFileSync(other.path))
    later[8] = 2
    const { createHash } = await import('node:crypto')
    createHash('sha256').update(later.subarray(0, 58)).digest().copy(later, 58, 0, 8)
    writeFileSync(join(folder, 'later'), later)
    assert.equal(await reasonOf(readArchive(world, join(folder, 'later'), key)), 'newer-format')
    for (const text of ['', 'short', Buffer.alloc(31).toString('base64'), `${Buffer.alloc(32).toString('base64')}x`, 'ä'.repeat(43)])
      assert.equal(await reasonOf((async () => keyFromText(new Secret(text)))()), 'bad-key', text)
    assert.equal(await reasonOf((async () => keyFromPassphrase(new Secret('too short')))()), 'bad-key')
  })

  void test('that could not be finished leaves nothing', async () => {
    const before = readdirSync(folder)
    await assert.rejects(
      createArchive(world, join(folder, 'half'), key, head, async (archive) => {
        await archive.add(file('a'), pieces(randomBytes(1_000_000)))
        throw new Error('the disk of somebody else')
      }),
      /somebody else/,
    )
    const failing = async function* () {
      yield new Uint8Array(10)
      throw new Error('gone while it was read')
    }
    await assert.rejects(
      createArchive(world, join(folder, 'half'), key, head, async (archive) => void (await archive.add(file('a'), failing()))),
      /gone/,
    )
    for (const name of ['../a', '/a', 'a//b', '', 'a/./b', 'a\u0000b', 'c:d', 'a\\b'])
      assert.equal(
        await reasonOf(
          createArchive(
            world,
            join(folder, 'half'),
            key,
            head,
            async (archive) => void (await archive.add(file(name), pieces(Buffer.alloc(1)))),
          ),
        ),
        'unsafe',
      )
    assert.deepEqual(readdirSync(folder), before)
  })

  void test('of any size takes the same memory', { timeout: 60_000 }, async () => {
    const megabytes = 100
    const flat = async function* () {
      const piece = randomBytes(1024 * 1024)
      for (let count = 0; count < megabytes; count += 1) yield piece
    }
    let most = 0
    const watch = (): void => void (most = Math.max(most, process.memoryUsage().rss))
    const before = process.memoryUsage().rss
    const path = join(folder, 'large')
    const watched = async function* () {
      for await (const piece of flat()) {
        watch()
        yield piece
      }
    }
    await createArchive(world, path, key, head, async (archive) => void (await archive.add(file('large'), watched())))
    await readArchive(world, path, key, { progress: watch })
    assert.ok(most - before < 70 * 1024 * 1024, `${Math.round((most - before) / 1024 / 1024)} MiB more for ${megabytes} MiB`)
  })
})

/** Who has the key may still write what no writer of ours writes. */
async function forged(list: readonly (readonly [RecordKind, unknown])[]): Promise<string> {
  const path = join(folder, `forged-${made++}`)
  const opened = await makeHeader(key, randomBytes(32))
  const parts = [Buffer.from(opened.header)]
  for (const [number, [kind, value]] of list.entries()) {
    const payload = value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value))
    parts.push(Buffer.from(seal(opened, number, number === list.length - 1, await pack(kind, payload))))
  }
  writeFileSync(path, Buffer.concat(parts))
  return path
}

void describe('a forged archive', () => {
  const hashOfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const end = { bytes: 0, sha256: hashOfNothing, result: {} }
  const entry = (name: unknown, more: object = {}) => ({ name, kind: 'file', mode: 0o600, facts: {}, ...more })
  const manifest = (entries: number, contentBytes = 0) => ({ entries, contentBytes })

  const bad: readonly (readonly [what: string, reason: ArchiveRefusal, records: readonly (readonly [RecordKind, unknown])[]])[] = [
    [
      'a name that climbs',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('a/../../b')],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'an absolute name',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('/etc/passwd')],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'a name that is none',
      'unsafe',
      [
        ['head', head],
        ['entry', entry(7)],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'a name of many parts',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('a/'.repeat(40) + 'a')],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'a name twice',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('a')],
        ['end', end],
        ['entry', entry('a')],
        ['end', end],
        ['manifest', manifest(2)],
      ],
    ],
    [
      'a file that is a folder too',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('a/b')],
        ['end', end],
        ['entry', entry('a')],
        ['end', end],
        ['manifest', manifest(2)],
      ],
    ],
    [
      'below a file',
      'unsafe',
      [
        ['head', head],
        ['entry', entry('a')],
        ['end', end],
        ['entry', entry('a/b')],
        ['end', end],
        ['manifest', manifest(2)],
      ],
    ],
    [
      'a link',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a', { kind: 'symlink', target: '/etc' })],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'a set-uid file',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a', { mode: 0o4755 })],
        ['end', end],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'another content',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a')],
        ['data', Buffer.from('x')],
        ['end', { ...end, bytes: 1 }],
        ['manifest', manifest(1, 1)],
      ],
    ],
    [
      'a wrong length',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a')],
        ['end', { ...end, bytes: 1 }],
        ['manifest', manifest(1, 1)],
      ],
    ],
    [
      'fewer files than it says',
      'damaged',
      [
        ['head', head],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'an entry without an end',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a')],
        ['manifest', manifest(1)],
      ],
    ],
    [
      'no end',
      'damaged',
      [
        ['head', head],
        ['entry', entry('a')],
        ['end', end],
      ],
    ],
    [
      'something after its end',
      'damaged',
      [
        ['head', head],
        ['manifest', manifest(0)],
        ['manifest', manifest(0)],
      ],
    ],
    ['no head', 'damaged', [['manifest', manifest(0)]]],
    [
      'a head that is none',
      'damaged',
      [
        ['head', { ...head, site: null }],
        ['manifest', manifest(0)],
      ],
    ],
    [
      'a head of no JSON',
      'damaged',
      [
        ['head', Buffer.from('{')],
        ['manifest', manifest(0)],
      ],
    ],
    [
      'data without an entry',
      'damaged',
      [
        ['head', head],
        ['data', Buffer.from('x')],
        ['manifest', manifest(0)],
      ],
    ],
  ]
  for (const [what, reason, list] of bad)
    void test(`with ${what} is refused`, async () => assert.equal(await reasonOf(readArchive(world, await forged(list), key)), reason))

  void test('with a chunk that unpacks to more than a chunk is refused before it does', async () => {
    const { deflateRawSync } = await import('node:zlib')
    const path = join(folder, 'bomb')
    const opened = await makeHeader(key, randomBytes(32))
    const bomb = Buffer.concat([Buffer.from([recordKinds.head, 1]), deflateRawSync(Buffer.alloc(200 * 1024 * 1024))])
    assert.ok(bomb.length < 256 * 1024)
    writeFileSync(path, Buffer.concat([opened.header, seal(opened, 0, true, bomb)]))
    const before = process.memoryUsage().rss
    assert.equal(await reasonOf(readArchive(world, path, key)), 'damaged')
    assert.ok(process.memoryUsage().rss - before < 50 * 1024 * 1024)
  })
})
