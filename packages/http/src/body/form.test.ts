import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ApiError } from '../errors.ts'
import { forbiddenKeys } from './json.ts'
import { type FormLimits, parseForm } from './form.ts'

const limits: FormLimits = { allowed: undefined, maxFileBytes: 1000, maxFieldBytes: 100, maxParts: 8 }
const type = 'multipart/form-data; boundary=xyz'

interface Part {
  readonly name: string
  readonly fileName?: string | undefined
  readonly data: Buffer
}

const encode = (parts: readonly Part[], boundary = 'xyz'): Buffer =>
  Buffer.concat([
    ...parts.flatMap(({ name, fileName, data }) => [
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${fileName === undefined ? '' : `; filename="${fileName}"`}\r\n\r\n`,
      ),
      data,
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ])

const part = (name: string, text: string, fileName?: string): Part => ({ name, fileName, data: Buffer.from(text) })
const refusal = (body: Buffer | string, contentType = type, with_: Partial<FormLimits> = {}): ApiError => {
  try {
    parseForm(Buffer.from(body as string), contentType, { ...limits, ...with_ })
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error))
    assert.ok(error.status === 400 || error.status === 413)
    return error
  }
  return assert.fail('the form was taken')
}

test('reads fields and files', () => {
  const form = parseForm(
    encode([part('name', 'edge-1'), part('empty', ''), part('values', 'a: 1\r\n--xy\r\n', 'values.yml')]),
    type,
    limits,
  )
  assert.deepEqual(form.fields, { name: 'edge-1', empty: '' })
  assert.equal(form.files['values']?.fileName, 'values.yml')
  assert.equal(form.files['values']?.data.toString(), 'a: 1\r\n--xy\r\n')
})

test('reads what curl and python send: quoted boundaries, types, preamble', () => {
  const body =
    'preamble\r\n--a b\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=plain; filename="x"\r\n\r\nq\r\n--a b--  epilogue'
  assert.equal(
    parseForm(Buffer.from(body), 'multipart/form-data; charset=utf-8; boundary="a b"', limits).files['plain']?.contentType,
    'text/plain',
  )
})

test('refuses hostile forms, naming the part where there is one (attacks 7)', () => {
  assert.match(refusal(encode([part('a', '1'), part('a', '2')])).message, /field 'a' twice/)
  assert.match(refusal(encode([part('a', '1'), part('a', '2', 'f')])).message, /'a' twice/)
  assert.match(refusal(encode([part('a', '1', 'f'), part('a', '2', 'g')])).message, /'a' twice/)
  assert.match(refusal(encode([part('a', '1', 'f'), part('a', '2')])).message, /'a' twice/)
  const cut = encode([part('a', '1'), part('b', '2')]).subarray(0, -10)
  assert.match(refusal(cut).message, /final boundary/)
  assert.match(refusal(encode([part('a', '1')]).subarray(0, -4)).message, /final boundary|something else/)
  assert.match(refusal(encode(Array.from({ length: 100_000 }, (_, i) => part(`p${i}`, '')))).message, /more than 8 parts/)
  assert.match(refusal(`--xyz\r\nX: ${'h'.repeat(1024 * 1024)}\r\n\r\n\r\n--xyz--`).message, /headers of a part are larger/)
  assert.match(refusal(encode([part('a\0b', '1')])).message, /name/)
  assert.match(refusal(encode([part('a', 'x', 'f\0.txt')])).message, /NUL/)
  assert.match(refusal(encode([part('a', 'x\0y')])).message, /holds NUL/)
  assert.match(refusal(encode([part('__proto__', 'x')])).message, /forbidden name/)
  assert.match(refusal(encode([part('', 'x')])).message, /no name/)
  assert.match(refusal(encode([part('../x', 'x')])).message, /other signs/)
  assert.equal(refusal(encode([part('big', 'x'.repeat(101))])).status, 413)
  assert.equal(refusal(encode([part('big', 'x'.repeat(1001), 'f')])).field, 'big')
  assert.equal(refusal(encode([part('odd', 'x')]), type, { allowed: new Set(['name']) }).field, 'odd')
  assert.match(refusal('--xyz\r\n\r\nx\r\n--xyz--').message, /./)
  assert.match(refusal('--xyz\ncontent-disposition: form-data; name=a\n\nx\n--xyz--').message, /line break/)
  assert.match(refusal(encode([part('a', '1')]), 'multipart/form-data').message, /no usable boundary/)
  assert.match(refusal('', type).message, /does not contain/)
  assert.match(
    refusal('--xyz\r\ncontent-disposition: form-data; name=a\r\ncontent-disposition: form-data; name=b\r\n\r\nx\r\n--xyz--').message,
    /twice/,
  )
  assert.match(
    refusal('--xyz\r\ncontent-disposition: form-data; name=a\r\ncontent-transfer-encoding: base64\r\n\r\nx\r\n--xyz--').message,
    /transfer encoding/,
  )
})

test('a file name is a last piece for people to read', () => {
  const shown = (fileName: string): string | undefined => parseForm(encode([part('f', 'x', fileName)]), type, limits).files['f']?.fileName
  assert.equal(shown('../../etc/passwd'), 'passwd')
  assert.equal(shown('C:\\\\Windows\\\\con.txt'), 'con.txt')
  assert.equal(shown('..'), '')
  assert.equal(shown('a\u202egnp.exe'), 'agnp.exe')
})

test('gives back what was put in, whatever the bytes are', () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((data) => Buffer.from(data))
  const lines = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', '--', '--xy', '-', 'xyz', 'a'), { maxLength: 12 })
    .map((pieces) => Buffer.from(pieces.join('')))
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-z_-]{1,10}$/), { maxLength: 6 }),
      fc.array(fc.oneof(bytes, lines), { minLength: 6, maxLength: 6 }),
      (names, datas) => {
        fc.pre(!names.some((name) => forbiddenKeys.has(name)))
        fc.pre(!datas.some((data) => Buffer.concat([Buffer.from('\r\n'), data]).includes('\r\n--xyz')))
        const body = encode(names.map((name, i) => ({ name, fileName: 'f', data: datas[i] as Buffer })))
        if (names.length === 0) return
        const form = parseForm(body, type, limits)
        names.forEach((name, i) => assert.deepEqual(form.files[name]?.data, datas[i]))
      },
    ),
  )
})

test('broken forms are refused or read, never anything else', () => {
  const whole = encode([part('name', 'edge-1'), part('values', 'a: 1\r\n', 'values.yml')])
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(whole.length),
      (changes, length) => {
        const body = Buffer.from(whole)
        for (const [at, byte] of changes) body[at] = byte
        try {
          parseForm(body.subarray(0, length), type, limits)
        } catch (error) {
          if (!(error instanceof ApiError)) throw error
        }
      },
    ),
    { numRuns: 2000 },
  )
})
