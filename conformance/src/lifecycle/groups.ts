import assert from 'node:assert/strict'
import type { Fleet } from '../testing/fleet.ts'
import { once } from './cloud.ts'

interface Group {
  readonly id: number
  readonly name: string
  readonly description: string
  readonly update_apply_type: string
  readonly max_parallel_subclouds: number
  readonly 'updated-at': string | null
}

const north = { name: 'north', description: 'northern sites', update_apply_type: 'parallel', max_parallel_subclouds: 25 }

/** Reference dcmanager §1.11, and idempotency keys. Leaves a group `north`. */
export async function checkGroups(fleet: Fleet): Promise<void> {
  const { dcmanager } = fleet
  const added = await once(fleet, 'POST', '/v1.0/subcloud-groups', { json: north }, [400])
  const group = added.json as Group
  const { id: _, 'created-at': __, ...shown } = group as Group & { 'created-at': string }
  assert.deepEqual(shown, { ...north, 'updated-at': null })

  for (const [member, value] of [
    ['name', '12'],
    ['name', 'a.b'],
    ['name', 'DEFAULT'],
    ['description', ''],
    ['update_apply_type', 'both'],
    ['max_parallel_subclouds', 5001],
    ['max_parallel_subclouds', 'many'],
  ] as const) {
    const answer = await dcmanager.send('POST', '/v1.0/subcloud-groups', { json: { ...north, name: 'south', [member]: value } })
    assert.equal(answer.status, 400, `${member} ${value}: ${answer.text}`)
  }
  assert.equal((await dcmanager.send('PATCH', '/v1.0/subcloud-groups/north', { json: {} })).status, 400)
  const updated = await dcmanager.send('PATCH', '/v1.0/subcloud-groups/north', { json: { update_apply_type: 'serial' } })
  assert.deepEqual([updated.status, (updated.json as Group).update_apply_type], [200, 'serial'])

  const { subcloud_groups: groups } = await dcmanager.get<{ subcloud_groups: (Group & { subcloud_count: number })[] }>(
    '/v1.0/subcloud-groups',
  )
  assert.deepEqual(
    groups.map(({ name, subcloud_count }) => [name, subcloud_count]),
    [
      ['Default', 0],
      ['north', 0],
    ],
  )
  assert.equal((await dcmanager.send('DELETE', '/v1.0/subcloud-groups/Default')).status, 400)
  assert.equal((await dcmanager.send('PATCH', '/v1.0/subcloud-groups/1', { json: { name: 'other' } })).status, 400)
  await checkIdempotency(fleet)
}

async function checkIdempotency(fleet: Fleet): Promise<void> {
  const { dcmanager } = fleet
  const headers = { 'idempotency-key': 'the-same-key' }
  const first = await dcmanager.send('POST', '/v1.0/subcloud-groups', { json: { ...north, name: 'east' }, headers })
  const second = await dcmanager.send('POST', '/v1.0/subcloud-groups', { json: { ...north, name: 'east' }, headers })
  assert.deepEqual([first.status, second.status, second.json], [200, 200, first.json])
  assert.equal(second.headers['idempotency-replayed'], 'true')
  assert.equal((await dcmanager.send('POST', '/v1.0/subcloud-groups', { json: { ...north, name: 'west' }, headers })).status, 422)

  const removed = await once(fleet, 'DELETE', '/v1.0/subcloud-groups/east', {}, [404])
  assert.equal(removed.text, 'null')
}

const playbook = (file: string): string => `---
- name: deploy
  hosts: all
  gather_facts: false
  tasks:
    - name: see what is given
      ansible.builtin.assert:
        that: ["deploy_config is file", "deploy_chart is file", "deploy_overrides is file"]
    - name: keep the deploy config
      ansible.builtin.copy: { src: "{{ deploy_config }}", dest: "${file}", mode: "0600" }
      delegate_to: localhost
`

/** Reference dcmanager §1.9. Leaves files for the own release; its playbook copies the deploy config to `copyTo`. */
export async function checkDeployFiles(fleet: Fleet, copyTo: string): Promise<void> {
  const { dcmanager } = fleet
  const nothing = { deploy_playbook: null, deploy_overrides: null, deploy_chart: null, prestage_images: null, software_version: '26.09' }
  assert.deepEqual(await dcmanager.get('/v1.0/subcloud-deploy'), { subcloud_deploy: nothing })
  assert.equal((await dcmanager.send('DELETE', '/v1.0/subcloud-deploy/26.09')).status, 404)

  const form = {
    deploy_playbook: { fileName: '../../dm.yaml', content: playbook(copyTo) },
    deploy_overrides: { fileName: 'overrides.yaml', content: 'a: 1\n' },
    deploy_chart: { fileName: 'dm.tgz', content: 'chart' },
    release: '26.09',
  }
  const { deploy_chart: _, ...incomplete } = form
  assert.equal((await dcmanager.send('POST', '/v1.0/subcloud-deploy', { form: incomplete })).status, 400)
  assert.equal((await dcmanager.send('POST', '/v1.0/subcloud-deploy', { form: { ...form, release: '99.99' } })).status, 400)
  const uploaded = await dcmanager.send('POST', '/v1.0/subcloud-deploy', { form })
  const names = { deploy_playbook: 'dm.yaml', deploy_overrides: 'overrides.yaml', deploy_chart: 'dm.tgz' }
  assert.deepEqual([uploaded.status, uploaded.json], [200, { ...names, software_version: '26.09' }])
  const images = await dcmanager.send('POST', '/v1.0/subcloud-deploy', {
    form: { prestage_images: { fileName: 'images.lst', content: 'a\n' } },
  })
  assert.equal(images.status, 200, images.text)
  assert.deepEqual(await dcmanager.get('/v1.0/subcloud-deploy/26.09'), {
    subcloud_deploy: { ...nothing, ...names, prestage_images: 'images.lst' },
  })
  const removed = await dcmanager.send('DELETE', '/v1.0/subcloud-deploy/26.09?prestage_images=TRUE')
  assert.deepEqual([removed.status, removed.text], [200, 'null'])
  assert.deepEqual(await dcmanager.get('/v1.0/subcloud-deploy/26.09'), { subcloud_deploy: { ...nothing, ...names } })
}
