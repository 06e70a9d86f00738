import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readByteRange, type ByteRange } from './byte-range.ts'

const cases: [string | undefined, number, ByteRange | 'none' | undefined][] = [
  [undefined, 10, undefined],
  ['', 10, undefined],
  ['bytes=0-3', 10, { start: 0, end: 3 }],
  ['Bytes=2-2', 10, { start: 2, end: 2 }],
  ['bytes=4-', 10, { start: 4, end: 9 }],
  ['bytes=4-99', 10, { start: 4, end: 9 }],
  ['bytes=-3', 10, { start: 7, end: 9 }],
  ['bytes=-30', 10, { start: 0, end: 9 }],
  ['bytes=-0', 10, 'none'],
  ['bytes=10-', 10, 'none'],
  ['bytes=0-', 0, 'none'],
  ['bytes=5-4', 10, undefined],
  ['bytes=-', 10, undefined],
  ['bytes=0-1,3-4', 10, undefined],
  ['items=0-1', 10, undefined],
  ['bytes=0x1-2', 10, undefined],
  ['bytes=99999999999999999999-', 10, undefined],
]
for (const [header, size, wanted] of cases)
  test(`${header} of ${size} bytes`, () => {
    assert.deepEqual(readByteRange(header, size), wanted)
  })

test('whatever is asked, what is answered is inside of the file', () =>
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
        fc.nat().map((n) => `bytes=-${n}`),
      ),
      fc.nat({ max: 1_000 }),
      (header, size) => {
        const range = readByteRange(header, size)
        if (range === undefined || range === 'none') return
        assert.ok(range.start >= 0 && range.start <= range.end && range.end < size)
      },
    ),
  ))
