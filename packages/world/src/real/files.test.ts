import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realFiles } from './files.ts'

function folderFor(t: { after(then: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'world-files-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

void test('folders and files are private whatever the umask says', async (t) => {
  const folder = folderFor(t)
  const before = process.umask(0)
  t.after(() => process.umask(before))
  await realFiles.write(join(folder, 'vault/x/secret'), 'data')
  await realFiles.append(join(folder, 'log/lines'), 'data')
  const modes = ['vault', 'vault/x', 'vault/x/secret', 'log', 'log/lines'].map((name) =>
    (statSync(join(folder, name)).mode & 0o777).toString(8),
  )
  assert.deepEqual(modes, ['700', '700', '600', '700', '600'])
})

void test('many writers at once leave one whole file and nothing beside it', async (t) => {
  const folder = folderFor(t)
  const path = join(folder, 'state')
  await Promise.all(Array.from({ length: 20 }, (_, writer) => realFiles.write(path, String(writer).repeat(50_000))))
  const text = Buffer.from((await realFiles.read(path))!).toString()
  assert.equal(new Set(text).size <= 2 && text.length >= 50_000, true)
  assert.deepEqual(readdirSync(folder), ['state'])
})

void test('a failed write leaves the old file and no rest; a crashed one is not listed', async (t) => {
  const folder = folderFor(t)
  writeFileSync(join(folder, '.state.partial-0123456789abcdef'), 'half')
  await realFiles.write(join(folder, 'state'), 'old')
  await assert.rejects(realFiles.write(join(folder, 'state/below'), 'x'))
  await assert.rejects(realFiles.rename(join(folder, 'state'), join(folder, 'state/below')))
  assert.deepEqual(await realFiles.list(folder), ['state'])
  assert.equal(Buffer.from((await realFiles.read(join(folder, 'state')))!).toString(), 'old')
})

void test('a walk follows no link, and tells nothing of what is half written', async (t) => {
  const folder = folderFor(t)
  await realFiles.write(join(folder, 'outside/secret'), 'x')
  await realFiles.write(join(folder, 'inside/own'), 'x')
  symlinkSync(join(folder, 'outside'), join(folder, 'inside/link'))
  symlinkSync(join(folder, 'outside/secret'), join(folder, 'inside/file-link'))
  const writer = await realFiles.create(join(folder, 'inside/half'))
  await writer.write(new Uint8Array(10))
  const found: string[] = []
  for await (const file of realFiles.walk(join(folder, 'inside'))) found.push(file.path)
  assert.deepEqual(found, ['own'])
  const unfinished: string[] = []
  for await (const path of realFiles.unfinished(folder)) unfinished.push(path)
  assert.deepEqual(unfinished, [join(folder, 'inside/half')])
  await realFiles.removeUnfinished(join(folder, 'inside/other'))
  await realFiles.removeUnfinished(join(folder, 'inside/half'))
  await writer.discard()
  assert.deepEqual(readdirSync(join(folder, 'inside')).sort(), ['file-link', 'link', 'own'])
})

void test('a stream that reuses its memory gives the same bytes, one piece at a time', async (t) => {
  const path = join(folderFor(t), 'large')
  const bytes = randomBytes(700_001)
  writeFileSync(path, bytes)
  const copies: Buffer[] = []
  const memory = new Set<ArrayBufferLike>()
  for await (const piece of realFiles.stream(path, { start: 3, end: 700_000, reuse: true })) {
    copies.push(Buffer.from(piece))
    memory.add(piece.buffer)
  }
  assert.ok(Buffer.concat(copies).equals(bytes.subarray(3)))
  assert.equal(memory.size, 1)
  await assert.rejects(Array.fromAsync(realFiles.stream(`${path}-2`, { start: 0, end: 9, reuse: true })), { code: 'ENOENT' })
})
