import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseOpenrc } from './openrc.ts'

test('reads export lines, ignores the rest', () => {
  const text = `# a comment\nexport OS_USERNAME=admin\nOS_AUTH_URL="http://127.0.0.1:5000/v3"\nrm -rf /\nexport PATH=/tmp\n`
  assert.deepEqual(parseOpenrc(text), { OS_USERNAME: 'admin', OS_AUTH_URL: 'http://127.0.0.1:5000/v3' })
})

test('any password survives single quotes as a shell would read them', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 40 }), (password) => {
      const quoted = `'${password.replaceAll("'", `'\\''`)}'`
      assert.equal(parseOpenrc(`export OS_PASSWORD=${quoted}\n`)['OS_PASSWORD'], password)
    }),
  )
})
