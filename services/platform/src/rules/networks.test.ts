import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { after, poolsOf } from './networks.ts'

const networks = {
  management: { subnet: '10.8.0.0/23', start: '10.8.0.2', end: '10.8.1.50', gateway: '10.8.0.1', floating: '10.8.0.2' },
  oam: { subnet: 'fd01::/64', gateway: 'fd01::1', floating: 'fd01::ff' },
}

test('pools follow from the configuration, the same uuid each time', () => {
  const [management, oam] = poolsOf('s1', { networks, systemMode: 'duplex' })
  assert.deepEqual(
    { ...management, uuid: '' },
    {
      uuid: '',
      name: 'management',
      network: '10.8.0.0',
      prefix: 23,
      family: 4,
      start: '10.8.0.2',
      end: '10.8.1.50',
      floating: '10.8.0.2',
      gateway: '10.8.0.1',
      controllers: ['10.8.0.3', '10.8.0.4'],
    },
  )
  assert.equal(oam?.end, 'fd01::ffff:ffff:ffff:ffff')
  assert.deepEqual(oam?.controllers, ['fd01::100', 'fd01::101'])
  assert.equal(poolsOf('s1', { networks, systemMode: 'simplex' })[0]?.uuid, management?.uuid)
  assert.notEqual(poolsOf('s2', { networks, systemMode: 'simplex' })[0]?.uuid, management?.uuid)
  assert.deepEqual(poolsOf('s1', { networks, systemMode: 'simplex' })[0]?.controllers, [])
})

test('the range of a subnet ends before its broadcast address', () => {
  const oam = { subnet: '192.0.2.64/27', gateway: '192.0.2.65', floating: '192.0.2.66' }
  const pool = poolsOf('s1', { networks: { ...networks, oam }, systemMode: 'simplex' })[1]
  assert.deepEqual([pool?.start, pool?.end], ['192.0.2.65', '192.0.2.94'])
})

test('addresses count on like numbers', () => {
  const number = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 300 }), (address, count) => {
      fc.pre(number(address) + count < 2 ** 32)
      assert.equal(number(after(address, count)), number(address) + count)
    }),
  )
})
