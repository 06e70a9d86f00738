import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { changeOwnership, showOwnership } from '../work/ownership-upkeep.ts'
import { startTestSite, type TestSite } from '../testing/site.ts'

const north = 'aaaaaaaa-0000-4000-8000-000000000001'
const south = 'bbbbbbbb-0000-4000-8000-000000000002'

let site: TestSite
before(async () => {
  site = await startTestSite({ dataUrl: 'file' })
})
after(() => site.stop())

const claim = (owner: string, epoch: number, ownerName = owner === north ? 'north' : 'süd') =>
  changeOwnership(site.site, { owner, ownerName, epoch })
const audit = (headers: Record<string, string> = {}, role: string | undefined = 'service') =>
  site.call('dcagent', role, 'PATCH', '/v1/dcaudit', { base_audit: '' }, headers)
const as = (system: string, epoch: number): Record<string, string> => ({ 'murmuration-system': system, 'murmuration-epoch': String(epoch) })

test('without an owner whoever has a token is served, and nobody is told to be the owner', async () => {
  assert.equal((await audit()).status, 200)
  assert.equal((await audit(as(north, 0))).status, 200)
  assert.deepEqual((await site.call('dcagent', undefined, 'GET', '/v1/ownership')).body, {
    owner: null,
    owner_name: null,
    epoch: 0,
    claimed_at: null,
    owner_silent_ms: null,
  })
})

test('a claim counts at once, in the running site', async () => {
  assert.equal((await claim(north, 1)).taken, true)
  assert.equal((await audit(as(north, 1))).status, 200)
  const { body } = await site.call('dcagent', undefined, 'GET', '/v1/ownership')
  assert.deepEqual([body.owner, body.owner_name, body.epoch], [north, 'north', 1])
  assert.ok(body.owner_silent_ms < 5_000)
  assert.equal((await showOwnership(site.site)).epoch, 1)
})

test('a former owner, a wrong epoch and a nameless one are told whose site it is, before their token is looked at', async () => {
  assert.equal((await claim(south, 2)).taken, true)
  for (const headers of [as(north, 1), as(north, 2), as(south, 1), as(south, 3), {}, { 'murmuration-system': south }, as('nonsense', 2)])
    for (const role of ['service', 'unknown-token']) {
      const { status, body, headers: answered } = await audit(headers, role)
      assert.equal(status, 409, JSON.stringify(headers))
      assert.match(JSON.stringify(body), /managed by süd \(bbbbbbbb-.*under epoch 2/)
      assert.deepEqual(
        [answered['murmuration-owner'], answered['murmuration-owner-name'], answered['murmuration-owner-epoch']],
        [south, 's%C3%BCd', '2'],
      )
    }
  assert.equal((await audit(as(south, 2), 'unknown-token')).status, 401)
  assert.equal((await audit(as(south, 2))).status, 200)
})

test('of those who claim one epoch at once, one has it; older ones change nothing', async () => {
  const claims = await Promise.all(Array.from({ length: 12 }, (_, n) => claim(n % 2 === 0 ? north : south, 3)))
  const owner = (await showOwnership(site.site)).owner
  for (const [n, { taken, ownership }] of claims.entries()) {
    assert.equal(taken, owner === (n % 2 === 0 ? north : south))
    assert.equal(ownership.owner, owner)
  }
  assert.equal((await claim(north, 2)).taken, false)
  assert.equal((await claim(south, 2)).taken, false)
  assert.equal((await showOwnership(site.site)).epoch, 3)
})

test('who is refused is remembered, with an alarm of the site', async () => {
  await claim(south, 7)
  await audit(as(north, 1))
  await audit(as(north, 1))
  await site.service.stop()
  await site.restart()
  const { body } = await site.call('platform', 'reader', 'GET', '/v1/alarms?alarm_id=280.021')
  assert.equal(body.alarms.length, 1)
  assert.match(body.alarms[0].reason_text, /aaaaaaaa-.* under epoch 1; the site is managed by süd/)
})

test('released, it serves everybody again', async () => {
  await changeOwnership(site.site, undefined)
  assert.equal((await audit()).status, 200)
  assert.equal((await claim(north, 1)).taken, true)
})
