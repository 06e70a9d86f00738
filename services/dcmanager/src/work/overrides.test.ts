import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inventoryHostOf } from './inventory.ts'
import { operatorVariables } from './overrides.ts'
import { ansibleDocument, Expression, fromEnvironment } from './playbooks/documents.ts'

test('an operator can not set what decides where and how commands run', () => {
  const hostile = [
    'ansible_connection',
    'ansible_python_interpreter',
    'ANSIBLE_HOST',
    'site_command',
    'site_folder',
    'murmur_command',
    'override_files_dir',
    'overrides_file',
    'subcloud_site',
    'hostvars',
    'inventory_hostname',
    'bmc',
    'bmc_root',
    'bmc_validate_certs',
    'rvmc',
  ]
  assert.deepEqual(operatorVariables(Object.fromEntries(hostile.map((name) => [name, 'x']))), {})
  const legal = ['name', 'docker_registries', 'bmc_address', 'bmc_username', 'rvmc_debug_level', 'rd.net.timeout.ipv6dad', 'sitemap']
  assert.deepEqual(Object.keys(operatorVariables(Object.fromEntries(legal.map((name) => [name, 'x'])))), legal)
})

test('documents are data: what looks like a template is marked, nothing else changes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const read = JSON.parse(ansibleDocument(value as never), (_key, member: unknown) =>
        typeof member === 'object' && member !== null && Object.keys(member).join() === '__ansible_unsafe'
          ? (member as { __ansible_unsafe: unknown }).__ansible_unsafe
          : member,
      ) as unknown
      assert.deepEqual(read, JSON.parse(JSON.stringify(value)))
    }),
  )
  assert.deepEqual(JSON.parse(ansibleDocument({ a: '{{ 1 }}', b: ['{% x %}'], c: 'plain' })), {
    a: { __ansible_unsafe: '{{ 1 }}' },
    b: [{ __ansible_unsafe: '{% x %}' }],
    c: 'plain',
  })
})

test('only our own expressions are evaluated', () => {
  assert.deepEqual(JSON.parse(ansibleDocument({ a: new Expression('{{ x }}'), b: fromEnvironment('SUBCLOUD_X') })), {
    a: '{{ x }}',
    b: "{{ lookup('ansible.builtin.env', 'SUBCLOUD_X') }}",
  })
  assert.throws(() => fromEnvironment("X') | pipe('id"))
})

test('the inventory host is the name, except where Ansible reads something else into it', () => {
  assert.equal(inventoryHostOf({ id: 4, name: 'edge-1.lab' }), 'edge-1.lab')
  for (const name of ['all', 'ungrouped', 'localhost', '!edge', '~e.*', 'a:b', 'a[1:9]', '@file', '-x'])
    assert.equal(inventoryHostOf({ id: 4, name }), 'subcloud-4')
})
