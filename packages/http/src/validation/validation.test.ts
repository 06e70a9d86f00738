import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Type } from 'typebox'
import { createCheck } from './index.ts'

const sentences = (schema: Parameters<typeof createCheck>[0], value: unknown): string[] =>
  createCheck(schema)(value).problems.map(({ path, message }) => `${path.join('.')}: ${message}`)

test('each keyword has its sentence', () => {
  assert.deepEqual(sentences(Type.Object({ a: Type.Object({ b: Type.Integer() }) }), { a: { b: 'x' } }), [
    "a.b: 'x' is not of type 'integer'",
  ])
  assert.deepEqual(sentences(Type.Array(Type.String({ format: 'ipv4' })), ['192.0.2.1', '300.1.1.1']), ["1: '300.1.1.1' is not a 'ipv4'"])
  assert.deepEqual(sentences(Type.String({ pattern: '^[a-z]+$' }), 'A'), [": 'A' does not match '^[a-z]+$'"])
  assert.deepEqual(sentences(Type.Array(Type.Integer(), { uniqueItems: true, maxItems: 1 }), [1, 1]), [
    ': […] is too long (at most 1 items)',
    ': […] has non-unique elements',
  ])
  assert.deepEqual(sentences(Type.Object({}, { minProperties: 1 }), {}), [': {} does not have enough properties (at least 1)'])
  assert.deepEqual(sentences(Type.Literal('x'), 'y'), [": 'x' was expected"])
  assert.deepEqual(sentences(Type.Integer({ exclusiveMinimum: 0, multipleOf: 2 }), -1), [
    ': -1 is less than or equal to the minimum of 0',
    ': -1 is not a multiple of 2',
  ])
})

test('a choice that fits nowhere is told once', () => {
  const schema = Type.Object({ v: Type.Union([Type.String(), Type.Null(), Type.Object({ x: Type.Integer() })]) })
  assert.deepEqual(sentences(schema, { v: 5 }), ['v: 5 is not valid under any of the given schemas'])
  const number = Type.Union([Type.Integer(), Type.String({ pattern: '^[0-9]+$' })], { description: 'Seconds, 10 to 600.' })
  assert.deepEqual(sentences(number, 'x'), [": 'x' is not valid under any of the given schemas: Seconds, 10 to 600."])
  const state = Type.Union([Type.Literal('enabled'), Type.Literal('disabled'), Type.Null()], { description: 'Kept.' })
  assert.deepEqual(sentences(state, 'x'), [": 'x' is not one of ['enabled', 'disabled', None]"])
})

test('secrets and whole objects are not repeated, long values are cut', () => {
  const schema = Type.Object({
    bmc_password: Type.Integer(),
    note: Type.String({ maxLength: 3 }),
    pin: Type.String({ writeOnly: true, maxLength: 1 }),
    o: Type.String(),
  })
  const text = sentences(schema, { bmc_password: 'hunter2', note: 'n'.repeat(500), pin: 'hunter3', o: { token: 'hunter4' } }).join('\n')
  assert.doesNotMatch(text, /hunter|n{100}/)
  assert.match(text, /^o: {…} is not of type 'string'$/m)
})

test('a hostile document costs one problem, not a million', () => {
  const list = Type.Array(Type.Integer())
  assert.equal(createCheck(list)(Array.from({ length: 50_000 }, () => 'x')).problems.length, 1)
  const long = Type.Object({ name: Type.String({ maxLength: 10, pattern: '^(a+)+$' }) })
  // With every keyword tried, this pattern would run for ages.
  assert.equal(createCheck(long)({ name: `${'a'.repeat(200_000)}!` }).problems.length, 1)
})

test('names of members and values with quotes stay readable', () => {
  assert.deepEqual(sentences(Type.Object({}, { additionalProperties: false }), { "it's": 1, 'a/b~c': 2 }), [
    `: Additional properties are not allowed ("it's", 'a/b~c' were unexpected)`,
  ])
})
