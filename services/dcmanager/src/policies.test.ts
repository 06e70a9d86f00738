import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timestamp } from '@murmuration/data'
import { addAlarmRoutes } from './api/alarms.ts'
import { addChangeRoutes } from './api/changes.ts'
import { addNotificationRoutes } from './api/notifications.ts'
import { addOperationRoutes } from './api/operations.ts'
import { policies } from './policies.ts'
import { apiBench } from './testing/api-bench.ts'
import { fromTables } from './testing/everything.ts'
import { createChangeFeed } from './work/change-feed.ts'

/** Reference dcmanager §1.4, written down once more: operation → who may. */
type Who = 'AoC' | 'AoOoC' | 'RoOoC'
const expected: Readonly<Record<string, Who>> = {
  'GET /v1.0/subclouds': 'RoOoC',
  'GET /v1.0/subclouds/{subcloud_ref}': 'RoOoC',
  'GET /v1.0/subclouds/{subcloud_ref}/{verb}': 'RoOoC',
  'GET /v1.0/subclouds/{subcloud_ref}/operations': 'RoOoC',
  'GET /v1.0/subclouds/{subcloud_ref}/operations/{operation_id}': 'RoOoC',
  'GET /v1.0/changes/subclouds': 'RoOoC',
  'POST /v1.0/subclouds': 'AoC',
  // With `management-state` alone; see below for the rest.
  'PATCH /v1.0/subclouds/{subcloud_ref}': 'AoOoC',
  'PATCH /v1.0/subclouds/{subcloud_ref}/redeploy': 'AoC',
  'PATCH /v1.0/subclouds/{subcloud_ref}/update_status': 'AoC',
  'DELETE /v1.0/subclouds/{subcloud_ref}': 'AoC',
  'POST /v1.0/phased-subcloud-deploy': 'AoC',
  ...Object.fromEntries(
    ['install', 'bootstrap', 'configure', 'complete', 'abort', 'resume', 'enroll'].map((verb) => [
      `PATCH /v1.0/phased-subcloud-deploy/{subcloud_ref}/${verb}`,
      'AoC' as const,
    ]),
  ),
  'POST /v1.0/subcloud-deploy': 'AoC',
  'GET /v1.0/subcloud-deploy': 'RoOoC',
  'GET /v1.0/subcloud-deploy/{release}': 'RoOoC',
  'DELETE /v1.0/subcloud-deploy': 'AoC',
  'DELETE /v1.0/subcloud-deploy/{release}': 'AoC',
  'GET /v1.0/subcloud-groups': 'RoOoC',
  'GET /v1.0/subcloud-groups/{group_ref}': 'RoOoC',
  'GET /v1.0/subcloud-groups/{group_ref}/{verb}': 'RoOoC',
  'POST /v1.0/subcloud-groups': 'AoC',
  'PATCH /v1.0/subcloud-groups/{group_ref}': 'AoC',
  'DELETE /v1.0/subcloud-groups/{group_ref}': 'AoC',
  'GET /v1.0/subcloud-peer-groups': 'AoC',
  'GET /v1.0/subcloud-peer-groups/{group_ref}': 'AoC',
  'GET /v1.0/subcloud-peer-groups/{group_ref}/subclouds': 'AoC',
  'GET /v1.0/subcloud-peer-groups/{group_ref}/status': 'AoC',
  'POST /v1.0/subcloud-peer-groups': 'AoC',
  'PATCH /v1.0/subcloud-peer-groups/{group_ref}': 'AoC',
  'PATCH /v1.0/subcloud-peer-groups/{group_ref}/migrate': 'AoC',
  'PATCH /v1.0/subcloud-peer-groups/{group_ref}/audit': 'AoC',
  'DELETE /v1.0/subcloud-peer-groups/{group_ref}': 'AoC',
  'GET /v1.0/peer-group-associations': 'RoOoC',
  'GET /v1.0/peer-group-associations/{association_id}': 'RoOoC',
  'POST /v1.0/peer-group-associations': 'AoC',
  'PATCH /v1.0/peer-group-associations/{association_id}': 'AoC',
  'PATCH /v1.0/peer-group-associations/{association_id}/sync': 'AoC',
  'DELETE /v1.0/peer-group-associations/{association_id}': 'AoC',
  'GET /v1.0/system-peers': 'RoOoC',
  'GET /v1.0/system-peers/{peer_ref}': 'RoOoC',
  'GET /v1.0/system-peers/{peer_ref}/{verb}': 'RoOoC',
  'POST /v1.0/system-peers': 'AoC',
  'PATCH /v1.0/system-peers/{peer_ref}': 'AoC',
  'DELETE /v1.0/system-peers/{peer_ref}': 'AoC',
  // New.
  'GET /v1.0/controller-authority': 'RoOoC',
  // And of them only system peers, by their accounts.
  'POST /v1.0/subcloud-peer-groups/{group_ref}/standby-copies': 'AoC',
  'GET /v1.0/alarms': 'RoOoC',
  'POST /v1.0/subcloud-backup': 'AoOoC',
  'PATCH /v1.0/subcloud-backup/delete/{release}': 'AoOoC',
  'PATCH /v1.0/subcloud-backup/restore': 'AoC',
  // New: any token would do in the original, which makes every audit anybody's to ask for.
  'POST /v1.0/notifications': 'AoC',
}
/** Not in the published document: names bound from the query, verbs that were removed or do not exist. */
const hidden: Readonly<Record<string, Who>> = {
  'PATCH /v1.0/subclouds?subcloud_ref=1&verb=redeploy': 'AoC',
  'PATCH /v1.0/subclouds?subcloud_ref=1': 'AoOoC',
  'PATCH /v1.0/subclouds/1/restore': 'AoC',
  'PATCH /v1.0/subclouds/1/reconfigure': 'AoC',
  'PATCH /v1.0/subclouds/1/reinstall': 'AoC',
  'PATCH /v1.0/subclouds/1/prestage': 'AoC',
  'PATCH /v1.0/subclouds/1/unknown-verb': 'AoC',
  'DELETE /v1.0/subclouds?subcloud_ref=1': 'AoC',
  'GET /v1.0/subclouds?subcloud_ref=1&verb=detail': 'RoOoC',
  'PATCH /v1.0/phased-subcloud-deploy?subcloud_ref=1&verb=abort': 'AoC',
  'PATCH /v1.0/subcloud-groups?group_ref=1': 'AoC',
  'PATCH /v1.0/subcloud-peer-groups?group_ref=1': 'AoC',
  'PATCH /v1.0/subcloud-peer-groups/1/unknown-verb': 'AoC',
  'GET /v1.0/subcloud-peer-groups/1/unknown-verb': 'AoC',
  'DELETE /v1.0/subcloud-peer-groups?group_ref=1': 'AoC',
  'PATCH /v1.0/peer-group-associations?association_id=1': 'AoC',
  'PATCH /v1.0/peer-group-associations/1/any-verb': 'AoC',
  'DELETE /v1.0/peer-group-associations?association_id=1': 'AoC',
  'PATCH /v1.0/system-peers?peer_ref=1': 'AoC',
  'DELETE /v1.0/system-peers?peer_ref=1': 'AoC',
  'PATCH /v1.0/subcloud-backup?verb=restore': 'AoC',
  'PATCH /v1.0/subcloud-backup?verb=delete&release_version=26.09': 'AoOoC',
  'PATCH /v1.0/subcloud-backup/delete': 'AoOoC',
  'PATCH /v1.0/subcloud-backup/unknown-verb': 'AoC',
  'DELETE /v1.0/subcloud-groups?group_ref=1': 'AoC',
}
const rolesOf: Readonly<Record<Who, readonly string[]>> = {
  AoC: ['admin', 'configurator'],
  AoOoC: ['admin', 'operator', 'configurator'],
  RoOoC: ['admin', 'reader', 'operator', 'configurator'],
}
const roles = ['', 'reader', 'member', 'operator', 'configurator', 'admin']
const scopes = ['admin', 'services', 'other', 'domain', 'system', 'none']

const may = (who: Who, role: string, scope: string): boolean => (scope === 'admin' || scope === 'services') && rolesOf[who].includes(role)

async function bench(t: Parameters<typeof apiBench>[0]) {
  return apiBench(t, {
    more: ({ site, database }) => [
      (app) => addAlarmRoutes(app, { database }),
      (app) => addNotificationRoutes(app, { site, database }),
      (app) => addOperationRoutes(app, { site, database }),
      (app) => addChangeRoutes(app, { site, feed: createChangeFeed(site, database) }),
    ],
  })
}

test('every operation of the published document is in the matrix, and no other', async (t) => {
  const { app } = await bench(t)
  const document = app.swagger() as { paths: Record<string, Record<string, { security?: unknown }>> }
  const published = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.security !== undefined)
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(published.toSorted(), Object.keys(expected).toSorted())
})

test('every operation of a policy rule exists', async () => {
  const known = new Set(Object.keys(expected))
  // One route for any second segment stands for these.
  const merged = new Set([
    'GET /v1.0/subclouds/{subcloud_ref}/detail',
    'GET /v1.0/subcloud-groups/{group_ref}/subclouds',
    'GET /v1.0/system-peers/{peer_ref}/subcloud-peer-groups',
    'PATCH /v1.0/subclouds/{subcloud_ref}/prestage',
  ])
  for (const { name, operations } of policies)
    for (const { method, path } of operations)
      assert.ok(known.has(`${method} ${path}`) || merged.has(`${method} ${path}`), `${name}: ${method} ${path}`)
})

test('the matrix: operation × role × scope; a 403 changes nothing (attacks 24)', async (t) => {
  const { app, database, call, add } = await bench(t)
  assert.equal((await add(3)).status, 200)
  await database.query
    .updateTable('jobs')
    .set({ state: 'done', exclusive_key: null, finished_at: timestamp(0) })
    .execute()
  // In no status that allows anything, so that whoever may is told 4xx and the next one finds what this one found.
  await database.query.updateTable('subclouds').set({ deploy_status: 'creating' }).execute()
  await app.ready()
  const before = await fromTables(database)
  let denied = 0
  for (const [operation, who] of Object.entries({ ...expected, ...hidden })) {
    const [method, path] = operation.split(' ', 2) as ['GET' | 'POST' | 'PATCH' | 'DELETE', string]
    // A stream does not end; its rule is the one of the list.
    if (path === '/v1.0/changes/subclouds') continue
    const url = path
      .replace('{subcloud_ref}', '1')
      .replace('{group_ref}', '1')
      .replace('{peer_ref}', '1')
      .replace('{association_id}', '1')
      .replace('{verb}', 'detail')
      .replace('{operation_id}', 'x')
      .replace('{release}', '26.09')
    const json =
      method === 'GET' || method === 'DELETE'
        ? undefined
        : url.includes('notifications')
          ? { events: [] }
          : { 'management-state': 'nonsense' }
    const options = json === undefined ? {} : { json }
    assert.equal((await call(method, url, { ...options, token: null })).status, 401, `${operation} without a token`)
    assert.equal((await call(method, url, { ...options, token: 'forged' })).status, 401, `${operation} with a forged token`)
    for (const role of roles)
      for (const scope of scopes) {
        const { status, text } = await call(method, url, { ...options, token: `${role}@${scope}` })
        const told = `${operation} as ${role || 'nobody'} of ${scope}: ${status} ${text}`
        assert.equal(status === 403, !may(who, role, scope), told)
        assert.ok(status < 500, told)
        if (status === 403) denied++
      }
  }
  assert.ok(denied > 500)
  assert.deepEqual(await fromTables(database), before)
})

test('other members beside management-state need the right to modify', async (t) => {
  const { call, add } = await bench(t)
  await add(3)
  for (const role of roles)
    for (const json of [{ description: 'x' }, { 'management-state': 'nonsense', description: 'x' }, {}]) {
      const { status } = await call('PATCH', '/v1.0/subclouds/77', { json, token: `${role}@admin` })
      assert.equal(status === 403, !rolesOf.AoC.includes(role), `${role} ${JSON.stringify(json)}: ${status}`)
    }
})

test('forged identity headers and user agents give nothing (attacks 25)', async (t) => {
  const { call } = await bench(t)
  const headers = {
    'x-roles': 'admin',
    'x-role': 'admin',
    'x-user-id': 'root',
    'x-project-name': 'admin',
    'x-is-admin-project': 'True',
    'x-identity-status': 'Confirmed',
    'x-service-identity-status': 'Confirmed',
  }
  assert.equal((await call('POST', '/v1.0/subclouds', { token: 'reader@admin', headers, json: {} })).status, 403)
  assert.equal((await call('GET', '/v1.0/subclouds', { token: null, headers })).status, 401)
  for (const agent of ['dcmanager/1.0', 'cert-mon/1.0'])
    assert.equal((await call('DELETE', '/v1.0/subclouds/1', { token: 'reader@admin', headers: { 'user-agent': agent } })).status, 403)
})
