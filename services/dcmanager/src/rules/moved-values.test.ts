import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '@murmuration/http'
import { example } from '../testing/api-bench.ts'
import { checkBootstrapValues } from './bootstrap-values.ts'
import { movedValues } from './moved-values.ts'

const controller = { regions: ['RegionOne'], management: { subnet: '127.0.0.0/24', start: '127.0.0.1', end: '127.0.0.100' } }
const values = readYaml(example('bootstrap-values')).value as Record<string, unknown>
const next = { subnet: '127.0.9.0/28', start: '127.0.9.2', end: '127.0.9.9', gateway: '127.0.9.1' }
const { management_gateway_address: _gateway, ...withoutGateway } = values

for (const [what, before] of Object.entries<Record<string, unknown>>({
  'a management network': values,
  'a floating address': { ...values, management_floating_address: '127.0.3.2' },
  'the shortcut of a simplex': {
    ...values,
    management_start_address: undefined,
    management_end_address: undefined,
    management_floating_address: '127.0.3.2',
  },
  'an admin network': {
    ...withoutGateway,
    admin_subnet: '127.0.4.0/28',
    admin_start_address: '127.0.4.2',
    admin_end_address: '127.0.4.9',
    admin_gateway_address: '127.0.4.1',
  },
  'a dual stack': {
    ...values,
    management_subnet: '127.0.3.0/28, fd00:3::/64',
    management_start_address: '127.0.3.2,fd00:3::2',
    management_end_address: '127.0.3.10,fd00:3::10',
    management_gateway_address: '127.0.3.1,fd00:3::1',
  },
}))
  test(`stored bootstrap values follow a network that moved: ${what}`, () => {
    const read = (map: unknown) => checkBootstrapValues({ value: map, lineOf: () => undefined }, controller)
    assert.deepEqual(read(before).problems, [], 'good before')
    const after = movedValues(before, next)
    const { problems, facts } = read(after)
    assert.deepEqual(problems, [])
    assert.deepEqual(facts?.network, next)
    assert.deepEqual(facts?.oam, read(before).facts?.oam)
    if (what === 'an admin network') assert.equal(after['management_subnet'], values['management_subnet'])
    if (what === 'a dual stack') assert.equal(after['management_subnet'], '127.0.9.0/28,fd00:3::/64')
  })

test('the second half of a pair goes when the first is of its family now', () => {
  const before = { ...values, management_subnet: '127.0.3.0/28,fd00:3::/64' }
  const after = movedValues(before, { subnet: 'fd00:9::/64', start: 'fd00:9::2', end: 'fd00:9::9', gateway: 'fd00:9::1' })
  assert.equal(after['management_subnet'], 'fd00:9::/64')
})
