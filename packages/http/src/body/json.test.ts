import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonRefused, readJson, readJsonBytes } from './json.ts'

const refused = (text: string, pattern: RegExp): void =>
  assert.throws(
    () => readJson(text),
    (error: unknown) => error instanceof JsonRefused && pattern.test(error.message),
    text.slice(0, 80),
  )

test('refuses what readers differ about, naming the place', () => {
  const cases: [string, RegExp][] = [
    ['{"a":1,"a":2}', /second member named 'a' at line 1/],
    ['{"a":1,"\\u0061":2}', /second member named 'a'/],
    ['{"x":{"__proto__":{"polluted":1}}}', /forbidden member name '__proto__'/],
    ['{"\\u005f_proto__":1}', /forbidden member name/],
    ['{"constructor":{"prototype":{}}}', /forbidden member name 'constructor'/],
    ['{"prototype":1}', /forbidden/],
    ['1e999', /too large/],
    ['-1E+999', /too large/],
    ['9'.repeat(400), /too large/],
    ['"\\ud800"', /surrogate/],
    ['{"a":"x\\u0000"}', /zero character/],
    ['"\\udc00\\ud800"', /surrogate/],
    ['"\\ud800\\u0041"', /surrogate/],
    ['"\ud800"', /surrogate/],
    ['\ufeff{}', /byte order mark/],
    ['{"a":1,}', /member without a quoted name/],
    ['{"a" 1}', /member name without ':'/],
    ['[1 2]', /missing ',' or ']'/],
    ['{"a":1 "b":2}', /missing ',' or '}' at line 1, column 8/],
    ['{\n "a": tru\n}', /unknown word at line 2, column 7/],
    ['"a\nb"', /control character/],
    ['"\\x"', /unknown escape/],
    ['"\\u12', /unknown escape|without its end/],
    ['"', /without its end/],
    ['"\\', /unknown escape/],
    ['[01]', /missing/],
    ['1.', /without digits/],
    ['-', /without digits/],
    ['', /end of the text/],
    ['[', /end of the text/],
    ['{}{}', /after the end/],
    ["__import__('os').system('id')", /unexpected character/],
    ['`${process.exit()}`', /unexpected character/],
    ['NaN', /unexpected character/],
    ['\u00a01', /unexpected character/],
  ]
  for (const [text, pattern] of cases) refused(text, pattern)
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
})

test('takes what is fine', () => {
  assert.deepEqual(readJson(' {"a":[1,-0.5e-3,true,false,null,"\\ud83d\\ude00\\n"],"b":{"a":{}},"c":[],"proto":1} '), {
    a: [1, -0.0005, true, false, null, '😀\n'],
    b: { a: {} },
    c: [],
    proto: 1,
  })
  assert.equal(readJson(`${'['.repeat(32)}${']'.repeat(32)}`) !== null, true)
})

test('depth, members and values have budgets, and what is over them is refused without being built', () => {
  refused(`${'['.repeat(33)}${']'.repeat(33)}`, /more than 32 levels/)
  refused('['.repeat(100_000), /more than 32 levels/)
  refused('{"a":'.repeat(100_000), /more than 32 levels/)
  refused(`{${Array.from({ length: 30_000 }, (_, i) => `"k${i}":1`).join(',')}}`, /more than 20000 members/)
  refused(`[${'{},'.repeat(200_000)}1]`, /more than 100000 values/)
})

test('bytes that are not UTF-8 are refused, and messages repeat no value', () => {
  assert.throws(() => readJsonBytes(Buffer.from([0x22, 0xc3, 0x28, 0x22])), /not UTF-8/)
  assert.throws(() => readJsonBytes(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), /not UTF-8/)
  assert.throws(
    () => readJson('{"password":"hunter2" oops}'),
    (error: Error) => !error.message.includes('hunter2'),
  )
})

const strictReasons = /second member|forbidden|surrogate|zero character|too large|levels|members|values|byte order/

/** JSON.parse's verdict and value, or undefined for a refusal. */
function reference(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

function agree(text: string): void {
  const expected = reference(text)
  try {
    const value = readJson(text)
    assert.deepEqual(value, expected?.value)
    assert.notEqual(expected, undefined)
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error
    if (expected !== undefined) assert.match(error.message, strictReasons)
  }
}

test('agrees with JSON.parse on documents and on broken documents', () => {
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 5 }),
      fc.nat(),
      fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', 'e', '.', 'u', 't', ' ', '\n', '\ud800'),
      fc.nat(3),
      (text, place, sign, cut) => {
        agree(text)
        const at = place % (text.length + 1)
        agree(text.slice(0, at) + sign + text.slice(at + cut))
      },
    ),
    { numRuns: 2000 },
  )
})

test('agrees with JSON.parse on anything made of its own signs', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"b"',
    '\\',
    '\\u',
    'd800',
    'dc00',
    '0',
    '1',
    '-',
    '+',
    'e',
    '.',
    'true',
    'false',
    'null',
    ' ',
    '\t',
    '\u000b',
    'ü',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => agree(pieces.join(''))),
    { numRuns: 5000 },
  )
})
