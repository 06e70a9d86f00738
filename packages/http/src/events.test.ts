import assert from 'node:assert/strict'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import { ApiError } from './errors.ts'
import { sendEvents, type EventSource, type ServerEvent } from './events.ts'
import { createTestApp } from './testing/test-app.ts'

const real = createRealWorld({ log: { level: 'error' } })
after(() => real.net.close())

async function serve(source: EventSource) {
  const { app, world } = await createTestApp()
  app.get('/changes', { config: { policy: 'public' } }, (_, reply) => sendEvents(reply, source, { heartbeatMs: 1000 }))
  app.get('/secret', { config: { policy: 'in-handler' } }, (_, reply) => sendEvents(reply, source))
  const listening = await real.net.serve({ host: '127.0.0.1', port: 0 }, await app.endpoint())
  const open = (headers: Record<string, string> = {}, path = '/changes'): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port: listening.port, path, headers, agent: false }, resolve).on('error', reject).end()
    })
  const stop = async (): Promise<void> => {
    await app.close()
    await listening.close(0)
  }
  return { app, world, open, stop, close: () => listening.close(60_000) }
}

/** Text of the stream until it holds `wanted`. */
async function read(response: IncomingMessage, wanted: string): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.includes(wanted)) break
  }
  return text
}

test('events, ids, heartbeats; resumes behind Last-Event-ID; the source ends with its client', async (t) => {
  let cursor: string | undefined
  let signal: AbortSignal | undefined
  const server = await serve(async function* (lastEventId, ended): AsyncGenerator<ServerEvent> {
    cursor = lastEventId
    signal = ended
    yield { id: '8', event: 'subcloud', data: { name: 'a\nb' } }
    yield { id: 'x\ny', data: null }
    await new Promise(() => undefined)
  })
  t.after(server.stop)
  const response = await server.open({ 'last-event-id': '7' })
  assert.equal(response.statusCode, 200)
  assert.match(String(response.headers['content-type']), /^text\/event-stream/)
  assert.match(String(response.headers['x-openstack-request-id']), /^req-/)
  assert.equal(await read(response, 'null\n\n'), 'id: 8\nevent: subcloud\ndata: {"name":"a\\nb"}\n\nid: x y\ndata: null\n\n')
  assert.equal(cursor, '7')
  const beat = read(response, ': still here\n\n')
  await server.world.advance(1000)
  assert.equal(await beat, ': still here\n\n')
  response.destroy()
  await new Promise<void>((resolve) => {
    if (signal?.aborted === true) resolve()
    else signal?.addEventListener('abort', () => resolve())
  })
})

test('a cursor that was never given is an ordinary 400, and a source that fails ends its stream', async (t) => {
  const server = await serve(async (lastEventId) => {
    if (lastEventId !== undefined) throw new ApiError(400, 'invalidCursor', 'Unknown cursor.', { field: 'Last-Event-ID' })
    return (async function* () {
      yield { data: 1 }
      throw new Error('broken')
    })()
  })
  t.after(server.stop)
  const forged = await server.open({ 'last-event-id': 'forged' })
  assert.equal(forged.statusCode, 400)
  forged.resume()
  const odd = await server.open({ 'last-event-id': 'with space' })
  assert.equal(odd.statusCode, 400)
  odd.resume()
  const failing = await server.open()
  assert.equal(await read(failing, 'never'), 'data: 1\n\n')
  assert.ok(server.world.lines.some((line) => line.message === 'event stream failed'))
})

test('a stream ends when the app closes, and none starts without its permission', async () => {
  const server = await serve(async function* (): AsyncGenerator<ServerEvent> {
    yield { data: 1 }
    await new Promise(() => undefined)
  })
  const response = await server.open()
  const ended = read(response, 'never')
  const denied = await server.app.inject({ url: '/secret', headers: { 'x-auth-token': 'reader' } })
  assert.equal(denied.statusCode, 500)
  await server.stop()
  assert.equal(await ended, 'data: 1\n\n')
})

test('a stream ends whole as soon as its listener begins to close', async (t) => {
  const server = await serve(async function* (): AsyncGenerator<ServerEvent> {
    yield { data: 1 }
    await new Promise(() => undefined)
  })
  t.after(server.stop)
  const response = await server.open()
  const ended = read(response, 'never')
  // Not cut after the grace time: the iteration of a broken answer would reject.
  await server.close()
  assert.equal(await ended, 'data: 1\n\n')
})
