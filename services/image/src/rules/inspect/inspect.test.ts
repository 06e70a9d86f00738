import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { inspect } from './index.ts'

/** `qemu-img` makes the disks and says how large they are inside; it never sees what a caller sent outside of tests. */
const tool = '/usr/bin/qemu-img'
const skip = existsSync(tool) ? false : `${tool} is not installed (Debian: qemu-utils)`
const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const mebibyte = 1024 * 1024
const toolName: Readonly<Record<string, string>> = { vhd: 'vpc' }

function disk(format: string, sizeBytes: number, options?: string, extra: readonly string[] = []): Buffer {
  const path = join(folder, `${format}-${Math.round(Math.random() * 1e9)}`)
  execFileSync(tool, [
    'create',
    '-q',
    '-f',
    toolName[format] ?? format,
    ...(options === undefined ? [] : ['-o', options]),
    ...extra,
    path,
    String(sizeBytes),
  ])
  const shown = JSON.parse(execFileSync(tool, ['info', '--output=json', '-f', toolName[format] ?? format, path], { encoding: 'utf8' })) as {
    'virtual-size': number
  }
  sizes.set(path, shown['virtual-size'])
  lastPath = path
  return readFileSync(path)
}
const sizes = new Map<string, number>()
let lastPath = ''

function look(claimed: string, bytes: Uint8Array, pieceBytes = 65_536) {
  const inspection = inspect(claimed)
  for (let at = 0; at < bytes.length; at += pieceBytes) inspection.push(bytes.subarray(at, at + pieceBytes))
  return inspection.end()
}
const changed = (bytes: Buffer, at: number, value: Buffer | string): Buffer => {
  const copy = Buffer.from(bytes)
  copy.set(typeof value === 'string' ? Buffer.from(value, 'latin1') : value, at)
  return copy
}
const be32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
const be64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
/** A CD of so many sectors, with nothing on it. */
function cd(sectors: number): Buffer {
  const bytes = Buffer.alloc(sectors * 2048)
  bytes.write('\x01CD001\x01', 16 * 2048, 'latin1')
  bytes.writeUInt32LE(sectors, 16 * 2048 + 80)
  bytes.writeUInt16LE(2048, 16 * 2048 + 128)
  return bytes
}

test('what qemu-img makes is taken, with the size that it says, however it is cut into pieces', { skip }, () => {
  const made: [string, () => Buffer][] = [
    ['qcow2', () => disk('qcow2', 64 * mebibyte)],
    ['qcow2', () => disk('qcow2', 64 * mebibyte, 'compat=0.10')],
    ['qcow2', () => disk('qcow2', 64 * mebibyte, 'extended_l2=on,cluster_size=128k')],
    ['qcow2', () => disk('qcow2', 10 * 1024 * mebibyte, 'compression_type=zstd,lazy_refcounts=on')],
    ['vmdk', () => disk('vmdk', 64 * mebibyte, 'subformat=monolithicSparse')],
    ['vmdk', () => disk('vmdk', 64 * mebibyte, 'subformat=streamOptimized')],
    ['vhd', () => disk('vhd', 64 * mebibyte, 'subformat=dynamic')],
    ['vhd', () => disk('vhd', 4 * mebibyte, 'subformat=fixed')],
    ['vhdx', () => disk('vhdx', 64 * mebibyte)],
    ['vdi', () => disk('vdi', 64 * mebibyte)],
    ['vdi', () => disk('vdi', 4 * mebibyte, 'static=on')],
  ]
  for (const [format, make] of made) {
    const bytes = make()
    for (const pieceBytes of [65_536, 4_097, 1_000_000, bytes.length]) {
      const { virtualSize, problem } = look(format, bytes, pieceBytes)
      assert.equal(problem, undefined, `${format} ${lastPath}`)
      assert.equal(virtualSize, sizes.get(lastPath))
    }
    for (const other of ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'iso'].filter((name) => name !== format))
      assert.equal(look(other, bytes).mismatch, true, `${format} as ${other}`)
    assert.deepEqual(look('raw', bytes), { virtualSize: bytes.length }, 'raw stays raw')
  }
  assert.deepEqual(look('iso', cd(40)), { virtualSize: 40 * 2048 })
})

test('what is cut off, empty or something else is refused', { skip }, () => {
  for (const format of ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'iso']) {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(10), Buffer.alloc(mebibyte), Buffer.from('<html></html>')])
      assert.equal(look(format, bytes).mismatch, true, format)
    if (format === 'iso') continue
    const whole = disk(format, 64 * mebibyte)
    for (const length of [16, 60, 90, 300]) assert.ok(look(format, whole.subarray(0, length)).problem, `${format} ${length}`)
  }
})

test('a qcow2 that leads out of itself, or lies about itself, is refused', { skip }, () => {
  const base = disk('qcow2', mebibyte)
  writeFileSync(join(folder, 'base.qcow2'), base)
  const backed = disk('qcow2', mebibyte, undefined, ['-b', join(folder, 'base.qcow2'), '-F', 'qcow2'])
  assert.match(look('qcow2', backed).problem!, /backing/)
  const external = disk('qcow2', mebibyte, `data_file=${join(folder, 'data.raw')},data_file_raw=on`)
  assert.match(look('qcow2', external).problem!, /another file/)
  const lies: [string, Buffer][] = [
    ['version', changed(base, 4, be32(4))],
    ['cluster bits', changed(base, 20, be32(40))],
    ['cluster bits', changed(base, 20, be32(3))],
    ['virtual size', changed(base, 24, be64(1n << 63n))],
    ['legacy encryption', changed(base, 32, be32(1))],
    ['huge L1', changed(base, 36, be32(0xffffffff))],
    ['L1 too small', changed(base, 36, be32(0))],
    ['L1 outside', changed(base, 40, be64(1n << 50n))],
    ['L1 is the header', changed(base, 40, be64(0n))],
    ['L1 not aligned', changed(base, 40, be64(65_537n))],
    ['refcounts outside', changed(base, 48, be64(1n << 50n))],
    ['refcounts too large', changed(base, 56, be32(0x7fffffff))],
    ['unknown feature', changed(base, 72, be64(1n << 40n))],
    ['corrupt', changed(base, 72, be64(2n))],
    ['external data', changed(base, 72, be64(4n))],
    ['header length', changed(base, 100, be32(0xfffffff0))],
    ['header length', changed(base, 100, be32(8))],
    ['extension length', changed(base, base.readUInt32BE(100), Buffer.concat([be32(0x12345678), be32(0x7fffffff)]))],
    ['extension names a data file', changed(base, base.readUInt32BE(100), Buffer.concat([be32(0x44415441), be32(8)]))],
  ]
  for (const [name, bytes] of lies) assert.ok(look('qcow2', bytes).problem, name)
})

test('a vmdk whose descriptor names other files is refused', { skip }, () => {
  const sparse = disk('vmdk', mebibyte)
  const at = sparse.readUInt32LE(28) * 512
  const text = sparse
    .subarray(at, at + 1024)
    .toString('latin1')
    .replace(/\0.*$/s, '')
  const described = (change: (text: string) => string): Buffer => {
    const padded = Buffer.alloc(2048)
    padded.write(change(text), 'latin1')
    return changed(sparse, at, padded)
  }
  assert.equal(
    look(
      'vmdk',
      described((same) => same),
    ).problem,
    undefined,
  )
  const bad: ((text: string) => string)[] = [
    (t) => t.replace(/SPARSE ".*"/, 'SPARSE "/etc/shadow"'),
    (t) => t.replace(/SPARSE ".*"/, 'SPARSE "..\\\\secret"'),
    (t) => t.replace(/RW (\d+) SPARSE "(.*)"/, 'RW $1 FLAT "$2" 0'),
    (t) => t.replace(/(RW .*)/, '$1\n$1'),
    (t) => t.replace('monolithicSparse', 'monolithicFlat'),
    (t) => t.replace('monolithicSparse', 'twoGbMaxExtentFlat'),
    (t) => t.replace(/createType=.*/, ''),
    (t) => t.replace(/parentCID=\w+/, 'parentCID=12345678'),
    (t) => `${t}\nparentFileNameHint="/etc/passwd"`,
    (t) => t.replace('# Disk DescriptorFile', '# Something else!!!!'),
  ]
  for (const change of bad) assert.ok(look('vmdk', described(change)).problem, change.toString())
  assert.ok(look('vmdk', Buffer.from(text)).problem, 'a descriptor alone')
  const le64 = (value: bigint): Buffer => Buffer.from(be64(value).toReversed())
  for (const [place, value] of [
    [28, 0n],
    [28, 1n << 40n],
    [36, 0n],
    [36, 1n << 30n],
    [12, 1n << 62n],
  ] as const)
    assert.ok(look('vmdk', changed(sparse, place, le64(value))).problem, `${place} ${value}`)
})

test('disks that are differences to others are refused', { skip }, () => {
  const vdi = disk('vdi', mebibyte)
  assert.ok(look('vdi', changed(vdi, 0x4c, Buffer.from([4]))).problem)
  assert.ok(look('vdi', changed(vdi, 0x1a8, Buffer.from([1]))).problem)
  const vhd = disk('vhd', 4 * mebibyte, 'subformat=fixed')
  assert.ok(look('vhd', changed(vhd, vhd.length - 512 + 60, be32(4))).problem, 'checksum')
  const vhdx = disk('vhdx', 64 * mebibyte)
  const table = 192 * 1024
  assert.ok(look('vhdx', changed(vhdx, table + 8, Buffer.from([0xff, 0xff]))).problem, 'too many regions')
  assert.ok(look('vhdx', changed(vhdx, table + 16 + 16, vhdx.subarray(table + 48 + 16, table + 48 + 24))).problem, 'regions that overlap')
  assert.ok(look('vhdx', changed(vhdx, table, 'none')).problem === undefined, 'the second table stands in for the first')
})

test('a file that is two things at once is neither', { skip }, () => {
  const both = Buffer.concat([disk('qcow2', mebibyte), Buffer.alloc(mebibyte)])
  both.write('\x01CD001\x01', 16 * 2048, 'latin1')
  assert.match(look('qcow2', both).problem!, /qcow2 and iso/)
  assert.match(look('iso', both).problem!, /qcow2 and iso/)
  const hybrid = changed(cd(40), 510, Buffer.from([0x55, 0xaa]))
  assert.equal(look('iso', hybrid).problem, undefined, 'a boot sector is no other format')
})

test('no bytes whatever make it throw, stall or take a size that is none', { skip }, () => {
  const seeds = [
    ['qcow2', disk('qcow2', mebibyte)],
    ['vmdk', disk('vmdk', mebibyte)],
    ['vhd', disk('vhd', mebibyte)],
    ['vhdx', disk('vhdx', 8 * mebibyte)],
    ['vdi', disk('vdi', mebibyte)],
    ['iso', cd(30)],
  ] as const
  const places: Readonly<Record<string, readonly number[]>> = { vhdx: [192 * 1024, 2 * mebibyte], iso: [16 * 2048], vmdk: [0, 512] }
  const change = fc.record({ at: fc.nat(600), place: fc.nat(1), byte: fc.nat(255) })
  for (const [format, seed] of seeds)
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (changes, cut) => {
        const bytes = Buffer.from(seed.subarray(0, cut === 0 ? Math.floor(seed.length / 3) : seed.length))
        for (const { at, place, byte } of changes) {
          const offset = (places[format]?.[place] ?? 0) + at
          if (offset < bytes.length) bytes[offset] = byte
        }
        const { problem, virtualSize } = look(format, bytes, 50_000)
        assert.ok(problem !== undefined || (Number.isSafeInteger(virtualSize) && virtualSize! >= 0))
      }),
      { numRuns: 150 },
    )
})
