import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeMultipart } from './multipart.ts'

test('fields and files come out as another implementation reads them', async () => {
  const data = Buffer.from('name: x\r\n--edge\r\n')
  const { body, contentType } = encodeMultipart(
    { group_id: '4', absent: undefined, note: 'a\nb' },
    [{ name: 'bootstrap_values', fileName: 'my "file"\r\n.yaml', data }],
    'edge-1',
  )
  const form = await new Response(Buffer.from(body), { headers: { 'content-type': contentType } }).formData()
  assert.deepEqual([...form.keys()], ['bootstrap_values', 'group_id', 'note'])
  assert.equal(form.get('group_id'), '4')
  const file = form.get('bootstrap_values')
  assert.ok(file instanceof File)
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), data)
})
