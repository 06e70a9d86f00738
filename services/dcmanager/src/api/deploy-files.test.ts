import assert from 'node:assert/strict'
import { test } from 'node:test'
import { displayName } from '../work/deploy-files.ts'
import { apiBench } from '../testing/api-bench.ts'

const playbook = { fileName: '../../../etc/dm.yaml', data: '- hosts: all\n  tasks: []\n' }
const chart = { fileName: 'dm.tgz', data: 'chart' }

test('deployment files: upload, show, delete (reference §1.9)', async (t) => {
  const bench = await apiBench(t)
  const url = '/v1.0/subcloud-deploy'
  const empty = { deploy_playbook: null, deploy_overrides: null, deploy_chart: null, prestage_images: null, software_version: '26.09' }
  assert.deepEqual((await bench.call('GET', `${url}/`)).json, { subcloud_deploy: empty })
  assert.equal((await bench.call('DELETE', url)).status, 404)
  const uploaded = await bench.call('POST', url, { form: { deploy_playbook: playbook, deploy_chart: chart } })
  assert.deepEqual(uploaded.json, { deploy_playbook: 'dm.yaml', deploy_chart: 'dm.tgz', software_version: '26.09' }, uploaded.text)
  assert.equal((await bench.call('POST', url, { form: { prestage_images: { fileName: 'images.txt', data: 'a\n' } } })).status, 200)
  assert.deepEqual((await bench.call('GET', `${url}/26.09`)).json.subcloud_deploy, {
    ...empty,
    deploy_playbook: 'dm.yaml',
    deploy_chart: 'dm.tgz',
    prestage_images: 'images.txt',
  })
  const { world, config } = bench.site
  // Stored by option, whatever the client called it.
  assert.deepEqual(
    (await world.files.list(`${config.varFolder}/deploy/26.09`)).filter((name) => !name.endsWith('.name')),
    ['deploy_chart_file.tgz', 'deploy_playbook_file.yml', 'prestage_images_file.txt'],
  )
  assert.equal((await bench.call('DELETE', `${url}/26.09?prestage_images=True&deployment_files=False`)).text, 'null')
  assert.equal((await bench.call('GET', url)).json.subcloud_deploy.prestage_images, null)
  assert.equal((await bench.call('DELETE', `${url}/`)).status, 200)
  assert.deepEqual((await bench.call('GET', url)).json, { subcloud_deploy: empty })
})

test('refused uploads leave nothing', async (t) => {
  const bench = await apiBench(t)
  const cases: [Record<string, string | { fileName: string; data: string }>, RegExp][] = [
    [{}, /deploy_playbook, deploy_chart/],
    [{ deploy_playbook: playbook }, /deploy_chart/],
    [{ deploy_playbook: playbook, deploy_chart: chart, release: '../..' }, /Invalid release/],
    [{ deploy_playbook: playbook, deploy_chart: chart, release: '99.09' }, /Invalid release/],
    [{ deploy_playbook: { fileName: 'x.zip', data: 'PK\u0003\u0004' }, deploy_chart: chart }, /archive/],
    [{ deploy_playbook: { fileName: 'x.yml', data: 'a: 1' }, deploy_chart: chart }, /list of plays/],
    [{ deploy_playbook: 'text', deploy_chart: chart }, /must be a file/],
  ]
  for (const [form, wanted] of cases) {
    const answer = await bench.call('POST', '/v1.0/subcloud-deploy', { form })
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.json.description, wanted)
  }
  assert.deepEqual(await bench.site.world.files.list(`${bench.site.config.varFolder}/deploy`), [])
  assert.equal((await bench.call('GET', '/v1.0/subcloud-deploy/..%2f..')).status, 400)
})

test('names for display are never paths', () => {
  assert.deepEqual(['../../x', 'C:\\a\\b.yml', 'a\u0000b', '..', '', '\u202egpj.exe', 'é ü.yml', '<script>'].map(displayName), [
    'x',
    'b.yml',
    'ab',
    'unnamed',
    'unnamed',
    'gpj.exe',
    'é ü.yml',
    'script',
  ])
})
