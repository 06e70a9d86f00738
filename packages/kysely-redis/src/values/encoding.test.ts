import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { compareText, compareValues } from './compare.ts'
import { encodeKey, keyInMember, KeyReader, memberOf, nextPrefix } from './encoding.ts'
import type { Kind, Value } from './kinds.ts'
import { asInteger } from './kinds.ts'
import { decodeRow, encodeRow } from './rows.ts'

const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed())
const values: Readonly<Record<Kind, Arbitrary<Value>>> = {
  integer: fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(asInteger)),
  real: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  text,
  boolean: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 12 }),
  timestamp: fc.integer({ min: -8.64e15, max: 8.64e15 }),
}
const byteOrder = (a: string, b: string): number => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))

for (const [kind, value] of Object.entries(values) as [Kind, Arbitrary<Value>][]) {
  test(`the byte order of encoded ${kind} is the order of the values, nulls first`, () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        assert.equal(byteOrder(encodeKey(a, kind), encodeKey(b, kind)), Math.sign(compareValues(a, b)))
        assert.equal(byteOrder(encodeKey(null, kind), encodeKey(a, kind)), -1)
      }),
      { numRuns: 500 },
    )
  })

  test(`${kind} comes back from a row as it was`, () => {
    fc.assert(
      fc.property(value, (a) => assert.deepEqual(decodeRow(encodeRow([a, null, a]), [kind, kind, kind], []), [a, null, a])),
      { numRuns: 300 },
    )
  })

  test(`${kind} comes back from an index entry as it was`, () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [column, key] = [encodeKey(a, kind), encodeKey(b, kind)]
        const member = memberOf(column, key, 'i')
        assert.equal(keyInMember(member), key)
        const reader = new KeyReader(`${column}0${member}`)
        assert.deepEqual([reader.next(kind), reader.next(kind), reader.next(kind), reader.next(kind)], [a, null, a, b])
      }),
      { numRuns: 300 },
    )
  })
}

test('no encoding is the beginning of another, so that columns can stand side by side', () => {
  fc.assert(
    fc.property(text, text, (a, b) => a === b || !encodeKey(a, 'text').startsWith(encodeKey(b, 'text'))),
    { numRuns: 500 },
  )
})

test('text compares by code point', () => {
  fc.assert(
    fc.property(text, text, (a, b) => assert.equal(Math.sign(compareText(a, b)), byteOrder(a, b))),
    { numRuns: 1_000 },
  )
})

test('the next prefix is above every text with the prefix, and not above others', () => {
  fc.assert(
    fc.property(text, text, text, (prefix, rest, other) => {
      const next = nextPrefix(prefix)
      if (next === undefined) return
      assert.ok(compareText(prefix + rest, next) < 0)
      if (!other.startsWith(prefix) && compareText(other, prefix) > 0) assert.ok(compareText(other, next) >= 0)
    }),
    { numRuns: 500 },
  )
})
