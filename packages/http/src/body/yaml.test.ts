import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readYaml, YamlRefused } from './yaml.ts'

const refusal = (text: string): YamlRefused => {
  try {
    readYaml(text)
  } catch (error) {
    assert.ok(error instanceof YamlRefused, String(error))
    return error
  }
  return assert.fail(`taken: ${text.slice(0, 60)}`)
}

test('reads as PyYAML does', () => {
  const { value, lineOf } = readYaml('a: yes\nb: 017\nc: 1_000\nd: "yes"\ne:\n  - x: 2026-03-09\n  - ~\nf: &n {q: 1}\ng: *n\n')
  assert.deepEqual(value, { a: true, b: 15, c: 1000, d: 'yes', e: [{ x: '2026-03-09' }, null], f: { q: 1 }, g: { q: 1 } })
  assert.equal(lineOf(['e', 0, 'x']), 6)
  assert.equal(lineOf(['g']), 9)
  assert.equal(lineOf(['nowhere']), undefined)
})

test('plain words are what PyYAML takes them for', () => {
  const words: [string, unknown][] = [
    ['y', 'y'],
    ['n', 'n'],
    ['Y', 'Y'],
    ['on', true],
    ['Off', false],
    ['yEs', 'yEs'],
    ['1e5', '1e5'],
    ['1.0e5', '1.0e5'],
    ['1.0e+5', 100000],
    ['08', '08'],
    ['017', 15],
    ['0x1F', 31],
    ['0b11', 3],
    ['1:30', 90],
    ['.', '.'],
    ['-.5', '-.5'],
    ['.5', 0.5],
    ['3.', 3],
    ['~', null],
    ['Null', null],
    ['nULL', 'nULL'],
    ['2026-01-02', '2026-01-02'],
    ['fd01::1', 'fd01::1'],
    ['192.0.2.1', '192.0.2.1'],
    ['26.09', 26.09],
    ['-.inf', -Infinity],
  ]
  for (const [word, value] of words) assert.deepEqual(readYaml(`x: ${word}\n`).value, { x: value }, word)
})

test('secrets come through as they were written', () => {
  for (const secret of [
    '@x',
    '%y',
    "it's",
    'a"b',
    'back\\slash',
    'line\nbreak',
    ' spaced ',
    '#no',
    '- x',
    '{{ x }}',
    '!tag',
    '&a',
    '*a',
    'null',
    'yes',
    '0123',
    'ünï',
  ]) {
    assert.deepEqual(readYaml(`password: ${JSON.stringify(secret)}\n`).value, { password: secret })
  }
})

test('refuses bombs, tags, cycles and what stands there twice, with the line (attacks 9)', () => {
  const bomb = [
    'a0: &a0 [x,x,x,x,x,x,x,x,x,x]',
    ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`),
  ].join('\n')
  assert.match(refusal(bomb).message, /alias/)
  assert.equal(refusal('ok: 1\nx: !!python/object:os.system {}\n').line, 2)
  assert.match(refusal('x: !!python/object/apply:os.system ["id"]').message, /tags/)
  assert.match(refusal('x: !!binary aGk=').message, /tags/)
  assert.match(refusal('x: !local y').message, /tags/)
  assert.match(refusal('a: &a\n  b: *a\n').message, /alias/)
  assert.match(refusal('a: &a\n  <<: *a\n').message, /alias|merge/)
  const twice = refusal('a: 1\nb: 2\na: 3\n')
  assert.match(twice.message, /twice/)
  assert.equal(twice.line, 3)
  assert.match(refusal('a:\n\tb: 1\n').message, /tab|wrong|unexpected/)
  assert.match(refusal('a: 1\n---\nb: 2\n').message, /more than one document/)
  assert.match(refusal('__proto__: {x: 1}').message, /forbidden/)
  assert.match(refusal('a: {constructor: 1}').message, /forbidden/)
  assert.match(refusal('? [a, b]\n: 1').message, /key/)
  assert.match(refusal('x'.repeat(1024 * 1024 + 1)).message, /larger/)
  assert.match(refusal('['.repeat(100_000)).message, /brackets/)
  assert.match(refusal('- '.repeat(5000)).message, /./)
  assert.match(refusal('a: *nowhere').message, /anchor|alias/)
  assert.match(refusal('password: "unclosed hunter2').message, /^(?!.*hunter2)/)
})

test('a merge of another mapping works', () => {
  assert.deepEqual(readYaml('base: &b {x: 1, y: 2}\nme:\n  <<: *b\n  y: 3\n').value, { base: { x: 1, y: 2 }, me: { x: 1, y: 3 } })
})

test('any text is read or refused', () => {
  const piece = fc.constantFrom(
    'a',
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    "'",
    '&x ',
    '*x',
    '!!str ',
    '|',
    '>',
    '#',
    '? ',
    '<<: ',
    '---',
    '\t',
    '%',
    '@',
    '0x1',
    '~',
    '\u0085',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      try {
        readYaml(pieces.join(''))
      } catch (error) {
        if (!(error instanceof YamlRefused)) throw error
      }
    }),
    { numRuns: 2000 },
  )
})
