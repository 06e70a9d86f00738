import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError, defineErrors } from '../errors.ts'
import { dcmanagerFaults, imageFaults, keystoneFaults, plainFaults } from './index.ts'

const error = new ApiError(404, 'notFound', 'Subcloud <b>"x" & y</b> not found', { hint: 'List them first.', field: 'ref' })

test("keystone's envelope", () => {
  const { contentType, body } = keystoneFaults.render(error, '*/*')
  assert.equal(contentType, 'application/json')
  assert.deepEqual(JSON.parse(body), {
    error: { code: 404, title: 'Not Found', message: 'Subcloud <b>"x" & y</b> not found. List them first.' },
  })
})

test("dcmanager's page: code and title, the sentence of the status, the detail, escaped", () => {
  const { contentType, body } = dcmanagerFaults.render(error, '*/*')
  assert.match(contentType, /^text\/html/)
  assert.match(body, /<h1>404 Not Found<\/h1>\n {2}The resource could not be found\.<br \/><br \/>\nSubcloud &#60;b&#62;/)
  assert.doesNotMatch(body, /<b>/)
  // The way in which the stock client reads it: the text of the page, line by line.
  const text = body
    .replace(/^[^]*<body>/, '')
    .replace(/<[^>]*>/g, '')
    .trim()
    .split('\n')
  assert.deepEqual(text.map((line) => line.trim()).slice(0, 3), [
    '404 Not Found',
    'The resource could not be found.',
    'Subcloud &#60;b&#62;&#34;x&#34; &#38; y&#60;/b&#62; not found. List them first.',
  ])
})

test("dcmanager's JSON by Accept", () => {
  const json = (accept: string | undefined): boolean => dcmanagerFaults.render(error, accept).contentType === 'application/json'
  assert.deepEqual(JSON.parse(dcmanagerFaults.render(error, 'application/json').body), {
    code: 404,
    title: 'Not Found',
    description: 'Subcloud <b>"x" & y</b> not found. List them first.',
    field: 'ref',
  })
  assert.equal(json('application/json, */*'), true)
  assert.equal(json('application/json, text/plain, */*'), true)
  assert.equal(json(undefined), false)
  assert.equal(json('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'), false)
  assert.equal(json('application/json;q=0.2, text/html'), false)
  assert.equal(json('text/html;q=0.2, application/json'), true)
  assert.equal(json('application/json;q=0'), false)
})

test("the image API's JSON, and its page for who takes anything", () => {
  const of = (accept: string | undefined) => imageFaults.render(error, accept)
  for (const accept of [undefined, '', 'application/json', 'application/json, */*'])
    assert.deepEqual(JSON.parse(of(accept).body).code, '404 Not Found', accept)
  for (const accept of ['*/*', 'text/html']) assert.match(of(accept).contentType, /^text\/html/)
})

test("the platform's text in text", () => {
  const { body } = plainFaults.render(error, undefined)
  const outer = JSON.parse(body) as { error_message: string }
  assert.deepEqual(JSON.parse(outer.error_message), {
    debuginfo: null,
    faultcode: 'Client',
    faultstring: 'Subcloud <b>"x" & y</b> not found. List them first.',
  })
})

test('a table of errors fills the places of messages and hints; the remedy is a sentence of its own', () => {
  const errors = defineErrors({
    gone: { status: 410, message: 'The operation {verb} was removed', hint: 'Use {instead}; see GET /things/{id}.' },
    ended: { status: 400, message: 'It is over!', hint: 'Begin again.' },
    plain: { status: 400, message: 'No {nothing}' },
  })
  const text = (made: ApiError): string =>
    (JSON.parse(dcmanagerFaults.render(made, 'application/json').body) as { description: string }).description
  assert.equal(
    text(errors.gone({ verb: 'restore', instead: 'that' })),
    'The operation restore was removed. Use that; see GET /things/{id}.',
  )
  assert.equal(text(errors.ended()), 'It is over! Begin again.')
  assert.equal(text(errors.plain()), 'No ')
})
