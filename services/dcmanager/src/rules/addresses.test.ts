import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AddressRefused, addressKey, contains, isHostAddress, networkKeys, readAddress, readSubnet, sizeOf } from './addresses.ts'

test('addresses have one spelling (attacks 11)', () => {
  for (const text of [
    '2130706433',
    '0x7f000001',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '127.1',
    '127.0.0.01',
    '127.0.0.256',
    '127.0.0.1.',
    ' 127.0.0.1',
    '127.0.0.1\n',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    'fe80::1%eth0',
    'fe80::1%25eth0',
    '[::1]',
    ':::1',
    '1::2::3',
    '',
    'localhost',
    '１２７.0.0.1',
  ])
    assert.throws(() => readAddress(text), AddressRefused, JSON.stringify(text))
})

test('subnets have a prefix and no host bits', () => {
  for (const text of ['10.0.0.0', '10.0.0.1/24', '10.0.0.0/33', '10.0.0.0/024', '10.0.0.0/-1', '10.0.0.0/24/1', 'fd00::1/64', 'fd00::/129'])
    assert.throws(() => readSubnet(text), AddressRefused, text)
  assert.equal(sizeOf(readSubnet('10.0.0.0/28')), 16n)
  assert.equal(sizeOf(readSubnet('fd00::/128')), 1n)
})

test('host addresses leave out the network and, in IPv4, the broadcast address', () => {
  const subnet = readSubnet('10.0.0.0/28')
  assert.deepEqual(
    ['10.0.0.0', '10.0.0.1', '10.0.0.14', '10.0.0.15', '10.0.0.16'].map((text) => isHostAddress(subnet, readAddress(text))),
    [false, true, true, false, false],
  )
  assert.equal(isHostAddress(readSubnet('fd00::/64'), readAddress('fd00::ffff:ffff:ffff:ffff')), true)
  assert.equal(contains(subnet, readAddress('fd00::1')), false)
})

test('keys sort as addresses do, whatever the family', () => {
  const octet = fc.integer({ min: 0, max: 255 })
  const four = fc.tuple(octet, octet, octet, octet).map((bytes) => bytes.join('.'))
  const six = fc
    .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
    .map((words) => words.map((word) => word.toString(16)).join(':'))
  const mapped = /^0:0:0:0:0:(0|ffff):/
  fc.assert(
    fc.property(fc.oneof(four, six), fc.oneof(four, six), (left, right) => {
      fc.pre(!mapped.test(left) && !mapped.test(right))
      const [a, b] = [readAddress(left), readAddress(right)]
      const byKey = addressKey(a) < addressKey(b)
      assert.equal(byKey, a.version === b.version ? a.number < b.number : a.version < b.version)
    }),
  )
})

test('whatever is read as an address was written as one', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 50 }), (text) => {
      try {
        readAddress(text)
      } catch (error) {
        assert.ok(error instanceof AddressRefused)
        assert.ok(error.message.length < 200)
        return
      }
      assert.match(text, /^[0-9a-fA-F:.]+$/)
    }),
  )
})

test('a network becomes its four keys', () => {
  const keys = networkKeys({ subnet: '127.0.3.0/28', start: '127.0.3.2', end: '127.0.3.10', gateway: '127.0.3.1' })
  assert.ok(keys.subnetFirst < keys.first && keys.first < keys.last && keys.last < keys.subnetLast)
})
