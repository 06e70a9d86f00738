import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countStatements } from '@murmuration/data'
import { readDocuments } from '../store/documents.ts'
import { apiBench, base64, bmcSecret, example, sysadminSecret } from '../testing/api-bench.ts'

test('add: the row, its statuses, its documents and its job appear at once', async (t) => {
  const bench = await apiBench(t)
  const added = await bench.add(3)
  assert.equal(added.status, 200, added.text)
  assert.equal(added.json['deploy-status'], 'not-deployed')
  assert.equal(added.json['management-state'], 'unmanaged')
  assert.equal(added.json['availability-status'], 'offline')
  assert.match(added.json['region-name'], /^[0-9a-f]{32}$/)
  assert.equal(added.json['management-start-ip'], '127.0.3.2')
  assert.equal(added.json['description'], 'Third subcloud of the lab')
  const jobs = await bench.database.query.selectFrom('jobs').selectAll().execute()
  assert.equal(jobs.length, 1)
  assert.equal(jobs[0]?.kind, 'subcloud.add')
  const input = JSON.parse(jobs[0]!.input as string)
  assert.deepEqual(input.phases, ['create', 'bootstrap', 'complete'])
  assert.ok(!JSON.stringify(jobs).includes(sysadminSecret))
  const documents = await readDocuments(bench.database, bench.site.keyring, 1)
  assert.equal((documents.bootstrap_values as { name: string }).name, 'subcloud3')
  const shown = await bench.call('GET', '/v1.0/subclouds/subcloud3')
  assert.equal(shown.json.endpoint_sync_status.length, 7)
  assert.deepEqual((await bench.call('GET', '/v1.0/subclouds/1')).json, shown.json)
})
