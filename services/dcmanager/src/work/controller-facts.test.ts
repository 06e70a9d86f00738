import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlatformClient } from '@murmuration/clients'
import { openAuditFixture } from '../testing/audit-fixture.ts'
import { createControllerFacts } from './controller-facts.ts'

test('a fact is asked once for all who want it, kept, and asked anew when the controller changed', async () => {
  await using fixture = await openAuditFixture('sqlite::memory:')
  let asked = 0
  const platform = {
    releases: async () => {
      asked += 1
      return [
        { releaseId: 'r-1', softwareVersion: '26.09', state: 'deployed' },
        { releaseId: 'r-2', softwareVersion: '26.09', state: 'available' },
      ]
    },
    kubernetesVersion: () => Promise.reject(new Error('no answer')),
    appliedDeviceImages: async () => [],
  } as unknown as PlatformClient
  const facts = createControllerFacts(fixture.site, { platform })
  await Promise.all([facts.releases(), facts.releases(), facts.reference()])
  assert.equal(asked, 1)
  // What could not be had is absent, what is empty is there.
  assert.deepEqual(await facts.reference(), { deviceImages: [], deployedReleaseIds: ['r-1'] })
  await assert.rejects(facts.kubernetesVersion(), /no answer/)
  assert.equal(asked, 1)
  facts.invalidate()
  await facts.releases()
  assert.equal(asked, 2)
  await facts.reference(60_000)
  assert.equal(asked, 2, 'young enough')
  await facts.reference(-1)
  assert.equal(asked, 3, 'asked anew for who wants it younger')
})
