import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policies } from './policies.ts'
import { startTestSite, type CallOptions, type TestSite } from './testing/test-site.ts'

/** North owns the image and the namespace; the image is shared with m, and south has nothing to do with it. */
const callers = ['reader@north', 'member@north', 'reader@m', 'member@m', 'member@south', 'service@services', 'admin@admin'] as const

/**
 * Reference image §1.14, §1.15, written down once more: operation → what each caller is told, in the order above. `y` may, `-` is told 403, `0`
 * that there is no such thing.
 */
const expected: Readonly<Record<string, string>> = {
  'POST /v2/images': '-y-yy-y',
  'GET /v2/images': 'yyyyy-y',
  'GET /v2/images/{image_id}': 'yyyy00y',
  'PATCH /v2/images/{image_id}': '-y--00y',
  'DELETE /v2/images/{image_id}': '-y--00y',
  'PUT /v2/images/{image_id}/file': '-y--00y',
  'GET /v2/images/{image_id}/file': '-y-y00y',
  'PUT /v2/images/{image_id}/stage': '-y--00y',
  'POST /v2/images/{image_id}/import': '-y--00y',
  'GET /v2/images/{image_id}/tasks': 'yyyy00y',
  'POST /v2/images/{image_id}/actions/deactivate': '-y--00y',
  'POST /v2/images/{image_id}/actions/reactivate': '-y--00y',
  'PUT /v2/images/{image_id}/tags/{tag}': '-y--00y',
  'DELETE /v2/images/{image_id}/tags/{tag}': '-y--00y',
  'POST /v2/images/{image_id}/members': '-y--00y',
  'GET /v2/images/{image_id}/members': 'yyyy00y',
  'GET /v2/images/{image_id}/members/{member_id}': 'yyyy00y',
  'PUT /v2/images/{image_id}/members/{member_id}': '---y00y',
  'DELETE /v2/images/{image_id}/members/{member_id}': '-y--00y',
  'POST /v2/images/{image_id}/locations': '-y--0yy',
  'GET /v2/images/{image_id}/locations': '----0yy',
  'DELETE /v2/stores/{store_id}/{image_id}': '----00y',
  'GET /v2/info/import': 'yyyyyyy',
  'GET /v2/info/stores': 'yyyyyyy',
  'GET /v2/info/stores/detail': '-----yy',
  'GET /v2/info/usage': 'yyyyyyy',
  'GET /v2/schemas/{name}': 'yyyyyyy',
  'GET /v2/schemas/metadefs/{name}': 'yyyyyyy',
  'GET /v2/tasks': '------y',
  'POST /v2/tasks': '------y',
  'GET /v2/tasks/{task_id}': '------y',
  'GET /v2/metadefs/resource_types': 'yyyyy-y',
  'GET /v2/metadefs/namespaces': 'yyyyy-y',
  'POST /v2/metadefs/namespaces': '------y',
  ...Object.fromEntries(
    Object.entries({
      'GET ': 'yyyyy-y',
      'PUT ': '------y',
      'DELETE ': '------y',
      ...Object.fromEntries(
        ['objects', 'properties', 'tags', 'resource_types'].flatMap((kind) => [
          [`GET /${kind}`, 'yyyyy-y'],
          [`POST /${kind}`, '------y'],
          ...(kind === 'resource_types'
            ? []
            : [
                [`DELETE /${kind}`, '------y'],
                [`GET /${kind}/{name}`, 'yyyyy-y'],
                [`PUT /${kind}/{name}`, '------y'],
              ]),
          [`DELETE /${kind}/{name}`, '------y'],
        ]),
      ),
      'POST /tags/{name}': '------y',
    }).map(([operation, who]) => [operation.replace(' ', ' /v2/metadefs/namespaces/{namespace}'), who]),
  ),
}

const patch = { headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' } }
const property = { name: 'n', title: 'N', type: 'string' }
/** Bodies that the schema takes, and that end in nothing lasting or in a refusal of another kind. */
const bodies: Readonly<Record<string, CallOptions>> = {
  'POST /v2/images': { body: { name: 'more' } },
  'PATCH /v2/images/{image_id}': { body: [], ...patch },
  'PUT /v2/images/{image_id}/file': { body: new Uint8Array(1) },
  'PUT /v2/images/{image_id}/stage': { body: new Uint8Array(1) },
  'POST /v2/images/{image_id}/import': { body: { method: { name: 'glance-direct' } } },
  'POST /v2/images/{image_id}/members': { body: { member: 'n' } },
  'PUT /v2/images/{image_id}/members/{member_id}': { body: { status: 'odd' } },
  'POST /v2/images/{image_id}/locations': { body: { url: 'http://10.0.0.1/' } },
  'POST /v2/tasks': { body: { type: 'odd' } },
}
const bodyOf = (operation: string): CallOptions => {
  const known = bodies[operation]
  if (known !== undefined) return known
  if (!/^(POST|PUT) \/v2\/metadefs/.test(operation) || /^POST .*\/tags\/\{name\}$/.test(operation)) return {}
  if (/namespaces(\/\{namespace\})?$/.test(operation)) return { body: { namespace: 'x'.repeat(80), visibility: 'public' } }
  if (operation.includes('/properties')) return { body: property }
  return { body: /POST .*\/tags$/.test(operation) ? { tags: [{ name: 'n' }] } : { name: 'n' } }
}

interface Ground {
  readonly image: string
  readonly namespace: string
  readonly task: string
}
let grounds = 0
/** One of everything. */
async function prepare(site: TestSite, operation: string): Promise<Ground> {
  grounds += 1
  const namespace = `ns${grounds}`
  let image = ''
  if (operation.includes('{image_id}')) {
    image = (await site.image('member@north', { tags: ['x'], visibility: 'shared' })).id
    await site.call('member@north', 'POST', `/v2/images/${image}/members`, { body: { member: 'm' } })
    await site.database.query.updateTable('images').set({ status: 'active' }).where('id', '=', image).execute()
  }
  if (operation.includes('{namespace}')) {
    const body = {
      namespace,
      visibility: 'public',
      owner: 'north',
      objects: [{ name: 'x' }],
      properties: { x: { title: 'X', type: 'string' } },
      tags: [{ name: 'x' }],
      resource_type_associations: [{ name: 'x' }],
    }
    const made = await site.call('admin@admin', 'POST', '/v2/metadefs/namespaces', { body })
    assert.equal(made.status, 201, JSON.stringify(made.body))
  }
  return { image, namespace, task: 'no-task' }
}
const at = (operation: string, { image, namespace, task }: Ground): readonly [string, string] => {
  const [method = '', path = ''] = operation.split(' ')
  const place = path
    .replace('{image_id}', image)
    .replace('{namespace}', namespace)
    .replace('{member_id}', 'm')
    .replace('{tag}', operation.startsWith('POST') ? 'new' : 'x')
    .replace('{store_id}', 'nowhere')
    .replace('{task_id}', task)
  return [
    method,
    place.replace(
      '{name}',
      path.includes('schemas') ? (path.includes('metadefs') ? 'tag' : 'image') : operation.startsWith('POST') ? 'new' : 'x',
    ),
  ]
}

async function everything(site: TestSite): Promise<string> {
  const tables = ['images', 'image_tags', 'image_members', 'image_properties', 'image_locations', 'image_data', 'tasks', 'jobs'] as const
  const definitions = ['metadef_namespaces', 'metadef_entries', 'metadef_associations', 'metadef_resource_types'] as const
  const rows = []
  for (const table of [...tables, ...definitions]) rows.push(await site.database.query.selectFrom(table).selectAll().execute())
  return JSON.stringify([rows, await site.files()])
}

test('the matrix: every operation × every caller, nothing left out; a refusal changes nothing (attacks 23, 24)', async (t) => {
  const site = await startTestSite({ more: "image:\n  stores: ['local=file:images', 'second=file:second']\n" })
  t.after(() => site.stop())
  const { body } = await site.call(undefined, 'GET', '/openapi.json')
  const document = body as { paths: Record<string, Record<string, { security?: unknown }>> }
  const published = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => operation.security !== undefined)
      .map(([method]) => `${method.toUpperCase()} ${path}`),
  )
  assert.deepEqual(published.toSorted(), Object.keys(expected).toSorted())
  for (const { name, operations } of policies)
    for (const { method, path } of operations) assert.ok(expected[`${method} ${path}`] !== undefined, `${name}: ${method} ${path}`)

  const ground = await prepare(site, '{image_id} {namespace}')
  const before = await everything(site)
  for (const [operation, told] of Object.entries(expected)) {
    const [method, path] = at(operation, ground)
    assert.equal((await site.call(undefined, method, path, bodyOf(operation))).status, 401, operation)
    assert.equal((await site.call('forged', method, path, bodyOf(operation))).status, 401, operation)
    for (const [index, caller] of callers.entries()) {
      if (told[index] === 'y') continue
      const answer = await site.call(caller, method, path, bodyOf(operation))
      assert.equal(answer.status, told[index] === '-' ? 403 : 404, `${operation} as ${caller}: ${JSON.stringify(answer.body)}`)
      // Not to be told from one that never was.
      if (told[index] === '0') assert.match(answer.body.message, /^No image found with ID/)
    }
  }
  assert.equal(await everything(site), before)

  for (const [operation, told] of Object.entries(expected))
    for (const [index, caller] of callers.entries()) {
      if (told[index] !== 'y') continue
      const [method, path] = at(operation, await prepare(site, operation))
      const { status, body: answer } = await site.call(caller, method, path, bodyOf(operation))
      const refused = status === 401 || status === 403 || (status === 404 && !path.startsWith('/v2/tasks/'))
      assert.ok(!refused && status < 500, `${operation} as ${caller}: ${status} ${JSON.stringify(answer)}`)
    }
})
