import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDcmanagerService } from './index.ts'
import { fakeSite } from './testing/fake-site.ts'

test('the service of a site: its app answers, its rooms start and stop by role', async (t) => {
  for (const roles of [['api', 'manager', 'audit', 'state'], ['api'], ['manager'], ['audit', 'state']]) {
    const { site } = await fakeSite(t, { config: { roles } })
    const service = await createDcmanagerService(site)
    assert.equal(service.apps.length, roles.includes('api') ? 1 : 0)
    await service.start()
    for (const app of service.apps) {
      const headers = { 'x-auth-token': 'reader@admin', accept: 'application/json' }
      for (const path of ['/', '/v1.0/subclouds', '/v1.0/alarms', '/v1.0/subcloud-groups', '/healthz']) {
        const answer = await app.endpoint.inject({ method: 'GET', url: `http://127.0.0.1:8119${path}`, headers, deadlineMs: 5_000 })
        assert.equal(answer.status, 200, path)
      }
    }
    await service.stop()
  }
})
