import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { temporaryFolder } from '../testing/test-site.ts'
import { graftIso, isoImage, NotIso, type IsoFile } from './iso9660.ts'
import { readPieces, totalSize, type Piece } from './pieces.ts'

const { files } = createRealWorld({ log: { level: 'silent' } })

async function bytesOf(pieces: readonly Piece[], range = { start: 0, end: totalSize(pieces) - 1 }): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of readPieces(files, pieces, range)) parts.push(part)
  return Buffer.concat(parts)
}

/** Everything that somebody else's reader finds in the root of an image. */
async function extracted(t: TestContext, image: Buffer, as: 'any' | 'norock' | 'ecma' = 'any'): Promise<Map<string, Buffer>> {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'image.iso'), image)
  const to = join(folder, 'out')
  const args = ['-read_fs', as, '-osirrox', 'on', '-indev', join(folder, 'image.iso'), '-extract', '/', to]
  execFileSync('xorriso', args, { stdio: 'pipe' })
  execFileSync('chmod', ['-R', 'u+rwX', to])
  const names = (await readdir(to, { withFileTypes: true })).filter((each) => each.isFile()).map((each) => each.name)
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(to, name))] as const)))
}

/** 5,000 bytes in the middle of a file: no multiple of anything. */
async function seedFiles(t: TestContext): Promise<{ files: IsoFile[]; expected: Map<string, Buffer> }> {
  const path = join(await temporaryFolder(t), 'archive')
  const archive = Buffer.from(Array.from({ length: 9_000 }, (_, index) => (index * 7) % 256))
  await writeFile(path, archive)
  const script = Buffer.from('#!/bin/sh\necho ü\n')
  return {
    files: [
      { name: 'user-data', content: { data: script } },
      { name: 'empty', content: { data: Buffer.alloc(0) } },
      { name: 'archive.tgz', content: { path, start: 3_000, sizeBytes: 5_000 } },
    ],
    expected: new Map([
      ['user-data', script],
      ['empty', Buffer.alloc(0)],
      ['archive.tgz', archive.subarray(3_000, 8_000)],
    ]),
  }
}

const lowered = (found: ReadonlyMap<string, Buffer>) => new Map([...found].map(([name, data]) => [name.toLowerCase(), data]))

test('a seed: somebody else reads its label and files; any part of it is that part', async (t) => {
  const { files: given, expected } = await seedFiles(t)
  const pieces = isoImage('CIDATA', given)
  const image = await bytesOf(pieces)
  assert.equal(image.length % 2_048, 0)
  assert.equal(image.toString('latin1', 16 * 2_048 + 40, 16 * 2_048 + 46), 'CIDATA')
  assert.deepEqual(lowered(await extracted(t, image)), expected)
  const borders = [0, 1, 2_047, 2_048, 16 * 2_048, 21 * 2_048 + 3, 49_151, 49_152, image.length - 2, image.length - 1]
  for (const start of borders)
    for (const end of borders.filter((each) => each >= start))
      assert.ok((await bytesOf(pieces, { start, end })).equals(image.subarray(start, end + 1)), `${start}-${end}`)
})

test('files are added to an image that is there: it boots and reads as before, and its own file is not touched', async (t) => {
  const folder = await temporaryFolder(t)
  const tree = join(folder, 'tree')
  await mkdir(join(tree, 'boot'), { recursive: true })
  const loader = Buffer.alloc(4_096, 'b')
  await writeFile(join(tree, 'boot/loader.bin'), loader)
  // More than one sector of names, and one that an added file replaces.
  const own = [...Array(60).keys()].map((n) => `a-file-with-a-long-name-${n}.txt`)
  for (const name of [...own, 'user-data']) await writeFile(join(tree, name), name)
  const path = join(folder, 'os.iso')
  const boot = ['-b', 'boot/loader.bin', '-no-emul-boot', '-c', 'boot/catalog']
  const { files: given, expected } = await seedFiles(t)
  for (const [kind, flags, reads] of [
    ['plain', [], ['any']],
    ['Rock Ridge and Joliet', ['-r', '-J'], ['any', 'norock']],
  ] as const) {
    execFileSync('xorriso', ['-as', 'mkisofs', ...flags, ...boot, '-V', 'OS', '-o', path, tree], { stdio: 'pipe' })
    const before = await readFile(path)
    const image = await bytesOf(await graftIso(files, path, given))
    assert.ok((await readFile(path)).equals(before))
    for (const as of reads) {
      const found = as === 'any' && kind !== 'plain' ? await extracted(t, image, as) : lowered(await extracted(t, image, as))
      for (const [name, data] of expected) assert.ok(found.get(name)?.equals(data), `${kind}, ${as}: ${name}`)
      if (kind !== 'plain') for (const name of own) assert.equal(found.get(name)?.toString(), name)
    }
    // Only descriptors differ from what was there; what a BIOS reads to boot is where it was.
    const changed = [...Array(before.length / 2_048).keys()].filter(
      (sector) => !image.subarray(sector * 2_048, (sector + 1) * 2_048).equals(before.subarray(sector * 2_048, (sector + 1) * 2_048)),
    )
    assert.deepEqual(changed, kind === 'plain' ? [16] : [16, 18], kind)
    const report = execFileSync('xorriso', ['-indev', path, '-report_el_torito', 'plain'], { encoding: 'utf8', stdio: 'pipe' })
    assert.match(report, /El Torito boot img : {3}1/)
  }
})

test('what is no image, or a broken one, is told', async (t) => {
  const path = join(await temporaryFolder(t), 'os.iso')
  const { files: given } = await seedFiles(t)
  const good = await bytesOf(isoImage('X', given))
  const broken = (change: (image: Buffer) => void): Buffer => {
    const image = Buffer.from(good)
    change(image)
    return image
  }
  for (const image of [
    Buffer.from('image'),
    Buffer.alloc(100_000),
    good.subarray(0, 17 * 2_048),
    broken((each) => each.writeUInt32LE(9_999_999, 16 * 2_048 + 158)),
    broken((each) => each.writeUInt32LE(0, 16 * 2_048 + 166)),
    broken((each) => each.writeUInt32LE(0xffff_ffff, 16 * 2_048 + 166)),
    broken((each) => each.writeUInt8(7, 20 * 2_048)),
    broken((each) => each.writeUInt8(255, 16 * 2_048)),
  ]) {
    await writeFile(path, image)
    await assert.rejects(graftIso(files, path, given), NotIso)
  }
  await assert.rejects(graftIso(files, `${path}.none`, given), NotIso)
  assert.throws(() => isoImage('X', [{ name: '../x', content: { data: Buffer.alloc(1) } }]), /no name/)
})
