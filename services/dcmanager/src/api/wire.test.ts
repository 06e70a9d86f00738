import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiBench, base64, example } from '../testing/api-bench.ts'
import { fromTables } from '../testing/everything.ts'

test('versions, trailing slashes, request ids, unknown paths (reference §1.1)', async (t) => {
  const bench = await apiBench(t)
  const versions = await bench.call('GET', '/', { token: null, headers: { host: '192.0.2.10:8119' } })
  assert.deepEqual(versions.json, {
    versions: [{ status: 'CURRENT', id: 'v1.0', updated: '2017-10-2', links: [{ rel: 'self', href: 'http://192.0.2.10:8119/v1.0/' }] }],
  })
  assert.match(String(versions.headers['x-openstack-request-id']), /^req-/)
  assert.equal((await bench.call('GET', '//v1.0//subclouds//')).status, 200)
  assert.equal((await bench.call('POST', '/', { token: null })).status, 405)
  for (const path of ['/v1.0', '/v2.0/subclouds', '/v1.0/nothing']) assert.equal((await bench.call('GET', path)).status, 404, path)
})

test('errors: JSON for those who ask for it, a page for the stock client (reference §1.2)', async (t) => {
  const bench = await apiBench(t)
  const asJson = await bench.call('GET', '/v1.0/subclouds/unknown')
  assert.equal(asJson.status, 404)
  assert.deepEqual([asJson.json.code, asJson.json.title], [404, 'Not Found'])
  assert.match(asJson.json.description, /Subcloud not found/)
  const asPage = await bench.call('GET', '/v1.0/subclouds/unknown', { headers: { accept: '*/*' } })
  assert.match(String(asPage.headers['content-type']), /text\/html/)
  const lines = asPage.text
    .replaceAll(/<[^>]*>/g, '\n')
    .split('\n')
    .filter((line) => line.trim() !== '')
  assert.ok(lines.length >= 3, asPage.text)
  assert.match(asPage.text, /404 Not Found/)
  assert.match(asPage.text, /Subcloud not found/)
  const hostile = await bench.call('PATCH', '/v1.0/subclouds/1/%3Cscript%3E', { headers: { accept: '*/*' }, json: {} })
  assert.ok(!hostile.text.includes('<script>'))
})

test('an id of nobody and a name of nobody are told in one wording (attacks 23)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  const texts = new Set<string>()
  for (const ref of ['2', '99999999999999999999', 'other', '%27%20or%201=1', 'x'.repeat(300), '..%2f..%2fetc'])
    texts.add((await bench.call('GET', `/v1.0/subclouds/${ref}`)).text)
  assert.equal(texts.size, 1, [...texts].join('\n'))
})

test('JSON that means harm is refused before anybody reads it (attacks 1–3)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  const before = await fromTables(bench.database)
  const bodies = [
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"description":"a","description":"b"}',
    `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
    '{"description":1e999}',
    '\ufeff{"description":"x"}{',
    "__import__('os').system('x')",
    '${process.exit()}',
    '{"description":',
    '[]',
    '"text"',
    'null',
    '{"group_id":{"a":1}}',
    '{"bootstrap_values":{"__proto__":{"polluted":1}}}',
    `{"q":"${'x'.repeat(2_000_000)}"}`,
  ]
  for (const body of bodies)
    for (const [method, url] of [
      ['PATCH', '/v1.0/subclouds/1'],
      ['POST', '/v1.0/subclouds'],
      ['POST', '/v1.0/subcloud-groups'],
      ['PATCH', '/v1.0/phased-subcloud-deploy/1/resume'],
      ['POST', '/v1.0/subcloud-deploy'],
    ] as const) {
      const answer = await bench.call(method, url, { body, headers: { 'content-type': 'application/json' } })
      assert.ok(
        answer.status === 400 || answer.status === 413,
        `${method} ${url} ${body.slice(0, 60)}: ${answer.status} ${answer.text.slice(0, 200)}`,
      )
    }
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  assert.deepEqual(await fromTables(bench.database), before)
})

test('forms that mean harm (attacks 7)', async (t) => {
  const bench = await apiBench(t)
  const part = (name: string, more = '', value = 'x'): string =>
    `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
  const bodies = [
    part('name'),
    `${part('name')}${part('name')}--b--\r\n`,
    `${part('na\0me')}--b--\r\n`,
    `${part('__proto__')}--b--\r\n`,
    `${part('constructor')}--b--\r\n`,
    `${part('x').repeat(1000)}--b--\r\n`,
    `--b\r\nContent-Disposition: form-data; name="name"\r\nX: ${'y'.repeat(100_000)}\r\n\r\nx\r\n--b--\r\n`,
    'not a form',
    '',
  ]
  for (const body of bodies) {
    const answer = await bench.call('POST', '/v1.0/subclouds', { body, headers: { 'content-type': 'multipart/form-data; boundary=b' } })
    assert.ok(answer.status === 400 || answer.status === 413, `${JSON.stringify(body.slice(0, 80))}: ${answer.status} ${answer.text}`)
  }
  assert.equal(
    (await bench.call('POST', '/v1.0/subclouds', { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status,
    415,
  )
})

test('a values file of 64 MB and one of aliases end at the budget (attacks 9)', async (t) => {
  const bench = await apiBench(t)
  const started = performance.now()
  for (const data of ['x: y\n'.repeat(3_000_000), `a: ${'['.repeat(100_000)}`, `\ta: 1`]) {
    const answer = await bench.call('POST', '/v1.0/subclouds', {
      form: { bootstrap_values: { fileName: 'v', data }, sysadmin_password: base64('x') },
    })
    assert.ok(answer.status === 400 || answer.status === 413, String(answer.status))
  }
  assert.ok(performance.now() - started < 5_000)
})

test('secrets of any spelling come back as they were (attacks 9)', async (t) => {
  const bench = await apiBench(t)
  const secrets = [
    '@at',
    '%percent',
    "'quote",
    '"double',
    'colon: x',
    '#hash',
    '{{ jinja }}',
    'new\\nline',
    ' spaces ',
    '!bang',
    '&and',
    '*star',
    '- dash',
    '0x10',
    'yes',
    '1_000',
  ]
  const values = bench.values(3) + secrets.map((secret, index) => `secret_${index}: ${JSON.stringify(secret)}\n`).join('')
  assert.equal(
    (
      await bench.call('POST', '/v1.0/subclouds', {
        form: { bootstrap_values: values, 'bootstrap-address': '127.1.3.2', sysadmin_password: base64('x') },
      })
    ).status,
    200,
  )
  const { readDocuments } = await import('../store/documents.ts')
  const stored = (await readDocuments(bench.database, bench.site.keyring, 1)).bootstrap_values as Record<string, unknown>
  assert.deepEqual(
    secrets.map((_, index) => stored[`secret_${index}`]),
    secrets,
  )
})

test('legal odd names work in every route (attacks 10)', async (t) => {
  const bench = await apiBench(t)
  for (const [index, name] of ['lab.txt', 'subclouds', 'detail', 'constructor', 'get', 'changes', 'operations'].entries()) {
    const n = index + 3
    assert.equal((await bench.add(n, { name })).status, 200, name)
    assert.equal((await bench.call('GET', `/v1.0/subclouds/${name}`)).json.name, name)
    assert.equal((await bench.call('GET', `/v1.0/subclouds/${name}/detail`)).json.name, name)
    assert.equal((await bench.call('PATCH', `/v1.0/subclouds/${name}`, { form: { description: 'd' } })).json.description, 'd')
    assert.equal((await bench.call('PATCH', `/v1.0/phased-subcloud-deploy/${name}/complete`)).status, 400)
    assert.equal((await bench.call('DELETE', `/v1.0/subclouds/${name}`)).status, 409)
  }
})

test('names and headers can not forge log lines, and secrets stay out of them (attacks 35)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  await bench.call('PATCH', '/v1.0/subclouds/1?sysadmin_password=QUERY-SECRET', {
    form: { description: 'a\r\n{"level":"error"}', sysadmin_password: base64('FORM-SECRET') },
    headers: { 'user-agent': 'x\u001b[31m' },
  })
  const log = bench.logLines.join('')
  for (const line of log.split('\n').filter((each) => each !== '')) assert.doesNotThrow(() => JSON.parse(line), line)
  for (const secret of ['FORM-SECRET', base64('FORM-SECRET'), 'QUERY-SECRET', base64('Sysadm1n*very-secret'), '\u001b'])
    assert.ok(!log.includes(secret), secret)
})

test('a database that is gone: 503 with an id, and nothing of it in the answer (attacks 34)', async (t) => {
  const bench = await apiBench(t)
  await bench.add(3)
  const { DatabaseError } = await import('@murmuration/data')
  const broken = async (): Promise<never> => {
    throw new DatabaseError('unavailable', 'cannot open /var/secret/place.db')
  }
  const whole = { transaction: bench.database.transaction.bind(bench.database) }
  Object.assign(bench.database, { transaction: broken })
  try {
    const answer = await bench.call('PATCH', '/v1.0/subclouds/1', { form: { description: 'x' } })
    assert.ok(answer.status >= 500, String(answer.status))
    assert.ok(!/secret|sqlite|select|\.ts/i.test(answer.text), answer.text)
    assert.match(String(answer.headers['x-openstack-request-id']), /^req-/)
  } finally {
    Object.assign(bench.database, whole)
  }
  assert.equal((await bench.call('PATCH', '/v1.0/subclouds/1', { form: { description: 'x' } })).status, 200)
})

test('the published document is made of the schemas that check', async (t) => {
  const bench = await apiBench(t)
  const document = (await bench.call('GET', '/openapi.json', { token: null })).json
  const add = document.paths['/v1.0/subclouds'].post
  assert.ok('multipart/form-data' in add.requestBody.content, JSON.stringify(Object.keys(add)))
  assert.equal(add['x-policy'], 'dc_api:subclouds:create')
  assert.ok(example('bootstrap-values').length > 0)
})
