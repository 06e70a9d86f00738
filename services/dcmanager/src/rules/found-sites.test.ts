import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readFoundSites, siteAt } from './found-sites.ts'

const site = (changes: object = {}) => ({ name: 'edge', role: 'subcloud', region: 'ab12', address: '10.0.0.2', ...changes })

test('what a host tells is taken as far as it can be true', () => {
  assert.deepEqual(readFoundSites([site()]), [{ name: 'edge', region: 'ab12', address: '10.0.0.2' }])
  const never = [
    null,
    [],
    'x',
    {},
    site({ role: 'system-controller' }),
    site({ region: 7 }),
    site({ address: undefined }),
    site({ name: null }),
  ]
  const regions = ['', '..', '../x', 'a/b', 'a..b', '.a', 'a ', '{{ x }}', `a${'b'.repeat(300)}`, "a'b", 'a\n']
  for (const told of [...never, ...regions.map((region) => site({ region }))])
    assert.deepEqual(readFoundSites([told]), [], JSON.stringify(told))
  for (const told of [undefined, null, {}, 'x']) assert.deepEqual(readFoundSites(told), [])
})

test('the site at the address that was named, and no other', () => {
  const found = (...sites: object[]) => siteAt(readFoundSites(sites), '10.0.0.2')
  const refused = (...sites: object[]): string => {
    const answer = found(...sites)
    return typeof answer === 'string' ? answer : assert.fail(`${answer.region} was found`)
  }
  assert.deepEqual(found(site({ address: '10.0.0.9', region: 'x1' }), site()), { name: 'edge', region: 'ab12', address: '10.0.0.2' })
  assert.match(refused(), /no subcloud is on this host/)
  assert.match(refused(site({ address: '10.0.0.9' })), /none of its sites has the address 10\.0\.0\.2.*edge at 10\.0\.0\.9$/)
  assert.match(refused(site(), site({ region: 'x2' })), /several/)
  const many = [...Array(9).keys()].map((n) => site({ address: `10.0.1.${n}` }))
  assert.match(refused(...many), /10\.0\.1\.4, …$/)
})
