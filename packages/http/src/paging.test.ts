import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from './errors.ts'
import { readPage } from './paging.ts'

const options = { sortable: ['name', 'id', 'created-at'], maxLimit: 500, defaultLimit: 100 }

test('reads what list requests ask for', () => {
  assert.deepEqual(readPage({}, options), { limit: 100, sort: [] })
  assert.deepEqual(readPage({ limit: '7', marker: 'm', sort: 'name:desc, id' }, options), {
    limit: 7,
    marker: 'm',
    sort: [
      { key: 'name', direction: 'desc' },
      { key: 'id', direction: 'asc' },
    ],
  })
  assert.deepEqual(readPage({ sort_key: 'created-at', sort_dir: 'desc' }, options).sort, [{ key: 'created-at', direction: 'desc' }])
})

test('refuses the rest, naming the parameter (attacks 38)', () => {
  const refused = (query: Parameters<typeof readPage>[0], field: string): void =>
    assert.throws(
      () => readPage(query, options),
      (error: unknown) => error instanceof ApiError && error.status === 400 && error.field === field,
      JSON.stringify(query),
    )
  for (const limit of ['0', '-1', '1e9', '501', '0x10', '1.5', '', ' 5', 1e9, -1]) refused({ limit }, 'limit')
  for (const sort of ['password', 'name:up', 'name:asc:x', 'name,name', ',', 'constructor', 'name,'.repeat(20)]) refused({ sort }, 'sort')
  for (const marker of ['', 'x'.repeat(2000)]) refused({ marker }, 'marker')
})
