import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { loadSiteConfig, type Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import { filesBelow } from '../testing/leftovers.ts'
import {
  bootstrapValues,
  freePorts,
  loopbackAddress,
  sitePorts,
  subcloudRow,
  testServicePassword,
  testSite,
  testSystem,
} from '../testing/test-site.ts'
import { bootstrapRun, type TestRun } from '../testing/bootstrap-run.ts'
import { Expression, type AnsibleValue } from './documents.ts'
import { logPathOf } from './output-log.ts'
import { PlaybookFailed } from './failure.ts'
import { createPlaybookRunner, shippedPlaybooksFolder } from './run-playbook.ts'

const nastyAdmin = `@ab%{{ 7*7 }} {% raw %} "double" 'single' \\back $(id) #hash: [1] é <<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>\nsecond line`

async function setUp(t: TestContext) {
  const address = loopbackAddress()
  const site = await testSite(t, { ports: await freePorts(address, sitePorts) })
  // With a place for its data: what the site says of it itself must not make it start anew.
  const values = { ...bootstrapValues(address), admin_password: nastyAdmin, data_url: 'sqlite:/var/lib/edge/{service}.db' }
  const run = await bootstrapRun(site, subcloudRow(address), values)
  t.after(() => run.stopSite())
  return { site, run }
}

test('a bootstrap makes a site: files, modes, start, events, and nothing secret left behind', { timeout: 240_000 }, async (t) => {
  const { site, run } = await setUp(t)
  await run.start()

  await t.test('site.yaml is what packages/site accepts', async () => {
    const config = await loadSiteConfig(site.world, join(run.siteFolder, 'site.yaml'), {})
    assert.equal(config.name, 'edge-porto')
    assert.equal(config.role, 'subcloud')
    assert.equal(config.region, '5d3a2f0b6a0c4b0f9c3c8a1be7f6d201')
    assert.equal(config.softwareVersion, '26.09')
    assert.equal(config.identity.serviceUser, 'dcmanager')
    assert.equal(config.address, run.row.management_start_ip)
  })

  await t.test('secrets arrive to the byte, in files of their owner only', async () => {
    assert.equal(await readFile(join(run.siteFolder, 'secrets/admin-password'), 'utf8'), nastyAdmin)
    assert.equal(await readFile(join(run.siteFolder, 'secrets/service-password'), 'utf8'), testServicePassword)
    for (const file of ['site.yaml', 'tls/ca.pem', 'tls/site.pem', 'tls/site.key', 'secrets/admin-password', 'secrets/service-password'])
      assert.equal((await stat(join(run.siteFolder, file))).mode & 0o777, 0o600, file)
    for (const folder of ['', 'tls', 'secrets']) assert.equal((await stat(join(run.siteFolder, folder))).mode & 0o777, 0o700, folder)
  })

  await t.test('the site was started once, with an environment of its own', async () => {
    const calls = await run.calls()
    assert.deepEqual(
      calls.map((call) => call['verb']),
      ['ownership claim', 'serve'],
    )
    assert.deepEqual([calls[0]!['owner'], calls[0]!['epoch']], [testSystem.uuid, 1])
    assert.deepEqual(Object.keys(calls[1]!['environment'] as object).toSorted(), ['HOME', 'LANG', 'PATH'])
  })

  await t.test('progress names the tasks', () => {
    assert.match(run.progress[0]!, /^bootstrap: task 1 — /)
    assert.ok(
      run.progress.some((line) => line.endsWith('write the files of the site')),
      run.progress.join('\n'),
    )
  })

  await t.test('no secret in anything that the manager leaves', async () => {
    await assertNoSecrets(site, run)
  })

  await t.test('again: nothing is written or started anew', async () => {
    await run.start()
    assert.deepEqual(
      (await run.calls()).map((call) => call['verb']),
      ['ownership claim', 'serve', 'ownership claim'],
    )
  })

  await t.test('a changed configuration restarts the site', async () => {
    await run.start({ values: { ...run.values, system_mode: 'duplex' } })
    assert.deepEqual(
      (await run.calls()).map((call) => call['verb']),
      ['ownership claim', 'serve', 'ownership claim', 'ownership claim', 'ownership claim', 'stop', 'serve'],
    )
  })

  await t.test('a site that another system controller has claimed meanwhile is not touched', async () => {
    const owner = { owner: 'bbbbbbbb-0000-4000-8000-000000000002', owner_name: 'south', epoch: 2 }
    await site.world.files.write(join(run.siteFolder, 'var/ownership.json'), JSON.stringify(owner))
    const before = await readFile(join(run.siteFolder, 'site.yaml'), 'utf8')
    await assert.rejects(run.start(), (error: unknown) => {
      assert.ok(error instanceof PlaybookFailed)
      assert.equal(error.failure.task, 'claim the site for this system controller')
      assert.match(error.message, /managed by bbbbbbbb-.* under epoch 2; epoch 1 was not taken/)
      return true
    })
    assert.equal(await readFile(join(run.siteFolder, 'site.yaml'), 'utf8'), before)
    assert.equal((await run.calls()).at(-1)!['verb'], 'ownership claim')
  })
})

test('what speaks no HTTP on the port of a site is no site that answers', async (t) => {
  const stranger = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-stranger\r\n'))
  stranger.listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  t.after(() => stranger.close())
  const { port } = stranger.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/v3`
  const wanted = { folder: '/nonexistent', command: ['/bin/false'], claim: null, start: false, mark: '', patience: 0 }
  const text = JSON.stringify({ ...wanted, identity_url: url, agent_url: url })
  const module = await readFile(join(shippedPlaybooksFolder, 'library/site_services.py'), 'utf8')
  // As Ansible hands arguments to such a module.
  const given = JSON.stringify(JSON.stringify({ wanted: Buffer.from(text).toString('base64') }))
  const child = spawn('python3', ['-c', module.replace('"<<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>"', () => given)])
  const told = JSON.parse(await readText(child.stdout)) as Record<string, unknown>
  assert.deepEqual([told['failed'], told['msg']], [true, 'start the services: it ended with code 1'])
})

async function assertNoSecrets(site: Site, run: TestRun): Promise<void> {
  const { varFolder } = site.config
  assert.deepEqual(await readdir(join(varFolder, 'run/operations')), [], 'the private folder is gone')
  const secrets = [nastyAdmin, nastyAdmin.split('\n')[0]!, 'second line', testServicePassword, 'BEGIN PRIVATE KEY']
  for (const file of await filesBelow(varFolder)) {
    if (file.includes('/sites/') || file.endsWith('/ca/ca.key') || file.endsWith('/secrets/service-password')) continue
    const text = await readFile(file, 'utf8')
    for (const secret of secrets) assert.ok(!text.includes(secret), `${file} holds ${JSON.stringify(secret)}`)
  }
  for (const line of run.progress) for (const secret of secrets) assert.ok(!line.includes(secret))
  const log = await readFile(logPathOf(varFolder, run.jobId), 'utf8')
  assert.match(log, /TASK \d+ \[write the files of the site\]/)
}

/** Plays this in a folder of its own; what it leaves there is read by the test. */
async function play(
  t: TestContext,
  tasks: readonly unknown[],
  values: Readonly<Record<string, AnsibleValue>>,
  secrets: Readonly<Record<string, Secret>> = {},
) {
  const site = await testSite(t)
  const folder = join(site.config.varFolder, 'played')
  await site.world.files.write(
    join(folder, 'play.yml'),
    JSON.stringify([
      {
        name: 'play',
        hosts: 'all',
        gather_facts: false,
        vars: { folder },
        tasks: [{ name: 'read', 'ansible.builtin.include_vars': { file: '{{ override_files_dir }}/values.yml' } }, ...tasks],
      },
    ]),
  )
  return {
    folder,
    write: (name: string, text: string) => site.world.files.write(join(folder, name), text),
    read: (name: string) => readFile(join(folder, name), 'utf8'),
    run: () =>
      createPlaybookRunner(site.world, { varFolder: site.config.varFolder, playbooksFolder: folder, sshKeyFile: undefined }).run({
        jobId: 'played',
        epoch: 1,
        subcloudId: 1,
        host: 'one',
        name: 'one',
        stage: 'bootstrapping',
        playbook: join(folder, 'play.yml'),
        files: {
          'inventory.yml': {
            all: {
              hosts: { one: { ansible_connection: 'local', ansible_python_interpreter: new Expression('{{ ansible_playbook_python }}') } },
            },
          },
          'values.yml': values,
        },
        variables: (override_files_dir) => ({ override_files_dir }),
        secrets,
        deadlineMs: 60_000,
        signal: new AbortController().signal,
        abortWaits: () => false,
        progress: () => {},
      }),
  }
}

/** A task that writes what a template makes of the values; JSON, so that it is read as it was. */
const written = (template: string) => ({
  name: `write ${template}`,
  'ansible.builtin.template': { src: `{{ folder }}/${template}.j2`, dest: `{{ folder }}/${template}.json`, mode: '0600' },
  no_log: true,
})

test('a deploy config of another shape is refused, with what is wanted', { timeout: 60_000 }, async (t) => {
  const cases: [AnsibleValue, RegExp][] = [
    [
      { apiVersion: 'starlingx/v1', kind: 'System', '{{ 7 * 7 }}': 1 },
      /one map with system .*this one has apiVersion, kind, \?\? 7 \? 7 \?\?\./,
    ],
    [{ system: { description: 'x', colour: 'red' } }, /system must be a map with any of name, description, location and contact/],
    [{ system: { contact: 7 } }, /all texts/],
    [{ system: [] }, /system must be a map/],
    [{ hosts: { 'worker-0': {} } }, /hosts must be a list of maps/],
    [{ hosts: ['worker-0'] }, /hosts must be a list of maps/],
    [{ hosts: [{ hostname: 'worker-0' }] }, /hostname \(a text\) and personality/],
    [{ hosts: [{ hostname: 'worker-0', personality: 'worker' }, { personality: 'worker' }] }, /hostname \(a text\)/],
  ]
  const played = await play(
    t,
    [
      {
        name: 'see each',
        'ansible.builtin.include_tasks': '{{ folder }}/case.yml',
        loop: '{{ cases }}',
        loop_control: { loop_var: 'wanted' },
      },
      written('refusals'),
    ],
    { cases: cases.map(([config]) => config), refusals: [] },
  )
  const check = join(import.meta.dirname, '../../../../../playbooks/tasks/check_deploy_config.yml')
  await played.write(
    'case.yml',
    JSON.stringify([
      {
        name: 'one of them',
        block: [{ name: 'look at it', 'ansible.builtin.include_tasks': check }],
        rescue: [{ name: 'keep what it said', 'ansible.builtin.set_fact': { refusals: '{{ refusals + [ansible_failed_result.msg] }}' } }],
      },
    ]),
  )
  await played.write('refusals.j2', '{{ refusals | to_json }}')
  await played.run()
  const refusals = JSON.parse(await played.read('refusals.json')) as string[]
  assert.equal(refusals.length, cases.length)
  for (const [index, [config, wanted]] of cases.entries()) assert.match(refusals[index]!, wanted, JSON.stringify(config))
})

const nastyValues = [
  '@leading',
  '%percent',
  "it's",
  '"quoted"',
  'line\nbreak',
  '{{ 1 + 1 }}',
  '{% if x %}',
  '{# comment #}',
  ' spaces ',
  'yes',
  '017',
  '1_000',
  '[1, 2]',
  '{"a": 1}',
  'True',
  '~',
  '!unsafe x',
  '*alias',
  '&anchor',
  '- dash',
  'a: b # c',
  '\\n',
  '\t tab',
  'é漢字🙂',
  '$HOME `id`',
  '{{ lookup("pipe", "id") }}',
]

test('nasty values travel through Ansible unchanged, and templates in them are never evaluated', { timeout: 60_000 }, async (t) => {
  const values = [...nastyValues, '']
  const secrets = Object.fromEntries(nastyValues.map((value, index) => [`SUBCLOUD_${letters(index)}`, new Secret(value)]))
  const names = Object.keys(secrets)
  // As a file of its own for what most looks like something else; the others in the form in which modules get them.
  const likeLists = names.filter((_, index) => ['[1, 2]', '{{ 1 + 1 }}', 'line\nbreak'].includes(nastyValues[index]!))
  const played = await play(
    t,
    [
      written('list'),
      written('encoded'),
      {
        name: 'write a secret',
        'ansible.builtin.template': {
          src: join(import.meta.dirname, '../../../../../playbooks/templates/secret.j2'),
          dest: '{{ folder }}/{{ item }}',
          mode: '0600',
        },
        vars: { secret: '{{ item }}' },
        loop: likeLists,
        no_log: true,
      },
    ],
    { given: values, names },
    secrets,
  )
  await played.write('list.j2', '{{ given | to_json }}')
  await played.write(
    'encoded.j2',
    `{ {% for name in names %}"{{ name }}": "{{ 'base64:' ~ (lookup('ansible.builtin.env', name) | string | b64encode) }}"{{ '' if loop.last else ',' }}{% endfor %} }`,
  )
  await played.run()
  assert.deepEqual(JSON.parse(await played.read('list.json')), values)
  const encoded = JSON.parse(await played.read('encoded.json')) as Record<string, string>
  for (const [name, secret] of Object.entries(secrets))
    assert.equal(Buffer.from(encoded[name]!.replace('base64:', ''), 'base64').toString(), secret.reveal())
  for (const name of likeLists) assert.equal(await played.read(name), secrets[name]!.reveal())
})

const letters = (index: number): string => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[index % 26]! + 'X'.repeat(Math.floor(index / 26))
