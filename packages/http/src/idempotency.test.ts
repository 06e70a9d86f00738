import assert from 'node:assert/strict'
import { test } from 'node:test'
import { once, type IdempotencyRecord, type IdempotencyStore } from './idempotency.ts'
import { ApiError, type App } from './index.ts'
import { createTestApp } from './testing/test-app.ts'

const createStore = (): IdempotencyStore & { readonly rows: Map<string, IdempotencyRecord> } => {
  const rows = new Map<string, IdempotencyRecord>()
  const id = (scope: string, key: string): string => `${scope}|${key}`
  return {
    rows,
    find: async (scope, key) => rows.get(id(scope, key)),
    insert: async (record) => {
      if (rows.has(id(record.scope, record.key))) return false
      rows.set(id(record.scope, record.key), record)
      return true
    },
    finish: async (scope, key, answer) => void rows.set(id(scope, key), { ...(rows.get(id(scope, key)) as IdempotencyRecord), answer }),
    release: async (scope, key) => void rows.delete(id(scope, key)),
  }
}

async function setUp(work: (body: unknown) => Promise<unknown>): Promise<{
  app: App
  post: (body: unknown, key?: string, token?: string) => Promise<{ status: number; body: unknown; replayed: boolean }>
}> {
  const { app } = await createTestApp()
  const store = createStore()
  app.post('/things', { config: { policy: 'authenticated' } }, (request, reply) =>
    once(request, reply, store, request.body, async () => {
      const result = await work(request.body)
      void reply.code(202)
      return result
    }),
  )
  return {
    app,
    async post(body, key, token = 'admin') {
      const response = await app.inject({
        method: 'POST',
        url: '/things',
        headers: { 'x-auth-token': token, ...(key === undefined ? {} : { 'idempotency-key': key }) },
        payload: JSON.stringify(body),
      })
      return { status: response.statusCode, body: response.json(), replayed: response.headers['idempotency-replayed'] === 'true' }
    },
  }
}

test('the same key and body get the first answer, another body 422, another user is another story (attacks 27)', async () => {
  let made = 0
  const { post } = await setUp(async () => ({ id: ++made }))
  assert.deepEqual(await post({ a: 1, b: 2 }, 'k1'), { status: 202, body: { id: 1 }, replayed: false })
  assert.deepEqual(await post({ b: 2, a: 1 }, 'k1'), { status: 202, body: { id: 1 }, replayed: true })
  assert.equal((await post({ a: 2 }, 'k1')).status, 422)
  assert.equal(made, 1)
  assert.deepEqual(await post({ a: 1, b: 2 }, 'k1', 'reader'), { status: 202, body: { id: 2 }, replayed: false })
  assert.deepEqual(await post({ a: 1, b: 2 }), { status: 202, body: { id: 3 }, replayed: false })
  for (const key of ['', 'with space', 'x'.repeat(256), 'ü']) assert.equal((await post({}, key)).status, 400, key)
  assert.equal(made, 3)
})

test('while the first is at work the second is told so; refusals are not kept', async () => {
  let finish: () => void = () => undefined
  let started: () => void = () => undefined
  const running = new Promise<void>((resolve) => {
    started = resolve
  })
  let refuse = true
  const { post } = await setUp(async (body) => {
    if (body === 'slow') {
      started()
      await new Promise<void>((resolve) => {
        finish = resolve
      })
    } else if (refuse) throw new ApiError(409, 'busy', 'busy')
    return { done: true }
  })
  const first = post('slow', 'k')
  await running
  assert.equal((await post('slow', 'k')).status, 409)
  assert.equal((await post('other', 'k')).status, 422)
  finish()
  assert.equal((await first).status, 202)
  assert.equal((await post('slow', 'k')).replayed, true)

  assert.equal((await post({}, 'again')).status, 409)
  refuse = false
  assert.deepEqual(await post({}, 'again'), { status: 202, body: { done: true }, replayed: false })
})

test('of many at once one works', async () => {
  let made = 0
  const { post } = await setUp(async () => ({ id: ++made }))
  const answers = await Promise.all(Array.from({ length: 20 }, () => post({ x: 1 }, 'race')))
  assert.equal(made, 1)
  assert.ok(answers.every(({ status }) => status === 202 || status === 409))
})
