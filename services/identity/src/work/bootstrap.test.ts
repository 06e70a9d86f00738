import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { countStatements } from '@murmuration/data'
import { eachEngine } from '@murmuration/data/testing'
import { roleId } from '../testing/people.ts'
import { makeTestSite, startIdentity } from '../testing/site.ts'

eachEngine('bootstrap', (engine) => {
  test('three processes at once: one set of roles, users and keys, and the passwords in the files are the right ones', async () => {
    const made = await makeTestSite({ url: await engine.freshUrl() })
    const all = await Promise.all(Array.from({ length: 3 }, () => startIdentity({ on: made })))
    const service = (await readFile(join(made.folder, 'secrets/service-password'), 'utf8')).trim()
    const openrc = /OS_PASSWORD='([^']+)'/.exec(await readFile(join(made.folder, 'openrc'), 'utf8'))![1]!
    for (const one of all) {
      assert.equal((await one.signIn('dcmanager', service)).status, 201)
      assert.equal((await one.signIn('admin', openrc)).status, 201)
    }
    const admin = all[0]!.as((await all[0]!.signIn('admin', openrc)).headers['x-subject-token']!)
    assert.equal((await admin('GET', '/v3/users')).body.users.length, 3)
    assert.equal((await admin('GET', '/v3/murmuration/trust')).body.keys.length, 1)
    for (const one of all) await one.stop()
    await made.remove()
  })

  test('revocations that commit in parallel are all seen by who reads by number', async () => {
    const made = await makeTestSite({ url: await engine.freshUrl() })
    const identity = await startIdentity({ on: made })
    const admin = await identity.admin()
    const users = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => String((await admin('POST', '/v3/users', { user: { name: `u${i}` } })).body.user.id)),
    )
    const seen = new Set<string>()
    let after = 0
    let done = false
    const reading = (async () => {
      for (let round = 0; round < 10_000; round++) {
        // Without sockets a question never waits for the outside: let the others have their turn.
        await setImmediate()
        const last = done
        const news = (await admin('GET', `/v3/murmuration/trust?after=${after}`)).body
        for (const entry of news.revocations) seen.add(entry.userId)
        after = news.sequence
        if (last) return
      }
    })()
    await Promise.all(
      users.map(async (id) => assert.equal((await admin('PATCH', `/v3/users/${id}`, { user: { enabled: false } })).status, 200)),
    )
    done = true
    await reading
    assert.deepEqual([...seen].toSorted(), users.toSorted())
    await identity.stop()
    await made.remove()
  })

  test('the statements of a request do not grow with what is stored', async () => {
    const made = await makeTestSite({ url: await engine.freshUrl() })
    const identity = await startIdentity({ on: made })
    const admin = await identity.admin()
    const count = async (work: () => Promise<{ status: number }>) => {
      const { result, statements } = await countStatements(work)
      assert.ok(result.status < 300)
      return statements
    }
    const measure = async () => [
      await count(() => identity.signIn('admin', identity.adminPassword)),
      await count(() => admin('GET', '/v3/users')),
      await count(() => admin('GET', '/v3/role_assignments?include_names')),
      await count(() => admin('GET', '/v3/role_assignments?effective&include_names')),
    ]
    const before = await measure()
    const reader = await roleId(admin, 'reader')
    for (let i = 0; i < 10; i++) {
      const { user } = (await admin('POST', '/v3/users', { user: { name: `many-${i}` } })).body
      const { project } = (await admin('POST', '/v3/projects', { project: { name: `many-${i}` } })).body
      await admin('PUT', `/v3/projects/${project.id}/users/${user.id}/roles/${reader}`)
    }
    assert.deepEqual(await measure(), before)
    await identity.stop()
    await made.remove()
  })
})
