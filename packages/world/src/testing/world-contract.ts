import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import {
  NetworkError,
  type Endpoint,
  type HttpRequest,
  type HttpResponse,
  type Listening,
  type NetworkErrorCode,
  type ProcessSpec,
  type StreamRequest,
  type World,
} from '../world.ts'

/** A world under test, and what differs between them outside of their promises. */
export interface WorldUnderTest {
  readonly world: World
  /** A second process on the same network. */
  readonly other: World
  /** Where `other` may listen. */
  readonly address: string
  /** A folder that may be written to. */
  readonly folder: string
  /** Lets time pass until the work is done. */
  run<T>(work: Promise<T>): Promise<T>
  /** Commands of this world: `lines` prints one, two, three (to stderr) and ends with 3; the others never end by themselves. */
  command(kind: 'lines' | 'hangs' | 'ignores-term'): Pick<ProcessSpec, 'command' | 'args' | 'env'>
  close(): Promise<void>
}

type Answer = (request: {
  method: string
  path: string
  body: string
}) => Promise<{ status: number; headers?: Record<string, string>; body: string }>

/** The same application for both worlds. */
export function endpoint(answer: Answer): Endpoint {
  return {
    handle(request, response) {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        void answer({ method: request.method ?? '', path: request.url ?? '', body }).then((result) =>
          response.writeHead(result.status, result.headers).end(result.body),
        )
      })
    },
    async inject(request: HttpRequest): Promise<HttpResponse> {
      const body = request.body === undefined ? '' : Buffer.from(request.body).toString()
      const result = await answer({ method: request.method, path: new URL(request.url).pathname, body })
      return { status: result.status, headers: result.headers ?? {}, body: new TextEncoder().encode(result.body) }
    },
  }
}

const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()

const failsWith = (code: NetworkErrorCode) => (error: unknown) => {
  assert.ok(error instanceof NetworkError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}

/** What product code may rely on in every world. */
export function worldContract(name: string, make: () => Promise<WorldUnderTest>): void {
  void describe(`world contract: ${name}`, { timeout: 30_000 }, () => {
    let under: WorldUnderTest
    let world: World
    beforeEach(async () => {
      under = await make()
      world = under.world
    })
    let opened: Listening[] = []
    afterEach(async () => {
      for (const listening of opened) await under.run(listening.close(1))
      opened = []
      await under.close()
    })

    const serve = async (answer: Answer): Promise<Listening> => {
      const listening = await under.run(under.other.net.serve({ host: under.address, port: 0 }, endpoint(answer)))
      opened.push(listening)
      return listening
    }
    const request = (port: number, path: string, more: Partial<HttpRequest> = {}) =>
      world.net.request({ method: 'GET', url: `http://${under.address}:${port}${path}`, deadlineMs: 5_000, ...more })
    const get = (...of: Parameters<typeof request>) => under.run(request(...of))

    void it('fires timers in the order of their time, and not when cancelled', async () => {
      const fired: string[] = []
      world.timers.after(40, () => fired.push('later'))
      world.timers.after(10, () => fired.push('sooner'))
      world.timers.after(20, () => fired.push('never')).cancel()
      await under.run(world.timers.sleep(60))
      assert.deepEqual(fired, ['sooner', 'later'])
    })

    void it('measures what it sleeps', async () => {
      const [wall, monotonic] = [world.clock.nowMs(), world.clock.monotonicMs()]
      await under.run(world.timers.sleep(30))
      assert.ok(world.clock.monotonicMs() - monotonic >= 29)
      assert.ok(world.clock.nowMs() - wall >= 28)
    })

    void it('wakes a sleeper with the reason of the abort, before or while it sleeps', async () => {
      const giveUp = new AbortController()
      const asleep = world.timers.sleep(60_000, giveUp.signal)
      giveUp.abort(new Error('enough'))
      await assert.rejects(under.run(asleep), /enough/)
      await assert.rejects(under.run(world.timers.sleep(60_000, giveUp.signal)), /enough/)
    })

    void it('has randomness of the promised shapes', () => {
      for (let round = 0; round < 1_000; round += 1) {
        const float = world.random.float()
        assert.ok(float >= 0 && float < 1)
        const int = world.random.int(7)
        assert.ok(Number.isInteger(int) && int >= 0 && int < 7)
      }
      assert.match(world.random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.equal(world.random.bytes(33).length, 33)
      assert.equal(new Set(Array.from({ length: 100 }, () => world.random.uuid())).size, 100)
    })

    void it('exchanges method, path, body, status and headers', async () => {
      const listening = await serve(({ method, path, body }) =>
        Promise.resolve({ status: 201, headers: { 'X-Seen': `${method} ${path}` }, body: body.toUpperCase() }),
      )
      const answer = await get(listening.port, '/v1/things', { method: 'POST', body: 'hello', headers: { 'content-type': 'text/plain' } })
      assert.equal(answer.status, 201)
      assert.equal(answer.headers['x-seen'], 'POST /v1/things')
      assert.equal(text(answer.body), 'HELLO')
    })

    void it('ends an exchange at its deadline, and by its signal', async () => {
      const listening = await serve(() => new Promise(() => {}))
      await assert.rejects(get(listening.port, '/', { deadlineMs: 50 }), failsWith('timeout'))
      const giveUp = new AbortController()
      const pending = get(listening.port, '/', { signal: giveUp.signal })
      giveUp.abort()
      await assert.rejects(pending, failsWith('aborted'))
      await assert.rejects(get(listening.port, '/', { signal: giveUp.signal }), failsWith('aborted'))
    })

    void it('refuses an answer that is larger than allowed', async () => {
      const listening = await serve(() => Promise.resolve({ status: 200, body: 'x'.repeat(2_000) }))
      await assert.rejects(get(listening.port, '/', { maxResponseBytes: 1_999 }), failsWith('too-large'))
      assert.equal((await get(listening.port, '/', { maxResponseBytes: 2_000 })).body.length, 2_000)
    })

    void it('is refused where nobody listens (any more)', async () => {
      const listening = await serve(() => Promise.resolve({ status: 200, body: '' }))
      await get(listening.port, '/')
      await under.run(listening.close())
      await assert.rejects(get(listening.port, '/'), failsWith('refused'))
    })

    void it('does not know URLs other than http and https', async () => {
      for (const url of ['ftp://somewhere/', '/relative', 'nonsense']) {
        await assert.rejects(under.run(world.net.request({ method: 'GET', url, deadlineMs: 100 })), failsWith('protocol'))
      }
    })

    void it('streams an answer of any size in small pieces, from the address that is asked for', async () => {
      const listening = await serve(({ path, method }) =>
        Promise.resolve({ status: path === '/moved' ? 302 : 200, headers: { 'x-seen': method }, body: 'x'.repeat(3_000_000) }),
      )
      const stream = (host: string, path: string, more: Partial<StreamRequest> = {}) =>
        under.run(
          world.net.stream({ method: 'GET', url: `http://${host}:${listening.port}${path}`, deadlineMs: 5_000, stallMs: 5_000, ...more }),
        )
      const read = async (body: AsyncIterable<Uint8Array>, most = Infinity): Promise<number> => {
        let size = 0
        for await (const piece of body) {
          assert.ok(piece.length > 0 && piece.length <= 65_536)
          size += piece.length
          if (size >= most) break
        }
        return size
      }
      const answer = await stream(under.address, '/')
      assert.deepEqual([answer.status, answer.headers['x-seen'], await under.run(read(answer.body))], [200, 'GET', 3_000_000])
      // The name leads nowhere; only the address counts.
      const pinned = await stream('no-such-name.invalid', '/', { address: under.address })
      assert.equal(await under.run(read(pinned.body)), 3_000_000)
      const moved = await stream('no-such-name.invalid', '/moved', { address: under.address })
      assert.equal(moved.status, 302, 'nobody follows it')
      moved.discard()
      const partly = await stream(under.address, '/')
      assert.ok((await under.run(read(partly.body, 100_000))) < 3_000_000, 'who has enough stops')
      await assert.rejects(stream(under.address, '/', { address: 'a-name' }), failsWith('protocol'))
    })

    void it('ends a stream before its headers at its deadline, by its signal, and where nobody listens', async () => {
      const listening = await serve(() => new Promise(() => {}))
      const stream = (more: Partial<StreamRequest>) =>
        under.run(
          world.net.stream({
            method: 'GET',
            url: `http://${under.address}:${listening.port}/`,
            deadlineMs: 5_000,
            stallMs: 5_000,
            ...more,
          }),
        )
      await assert.rejects(stream({ deadlineMs: 50 }), failsWith('timeout'))
      await assert.rejects(stream({ deadlineMs: 50, address: under.address }), failsWith('timeout'))
      await assert.rejects(stream({ signal: AbortSignal.abort() }), failsWith('aborted'))
      await under.run(listening.close(0))
      await assert.rejects(stream({ address: under.address }), failsWith('refused'))
    })

    void it('resolves names, and takes addresses as they are', async () => {
      const resolve = (name: string) => under.run(world.net.resolve(name, 5_000))
      assert.deepEqual(await resolve('10.1.2.3'), ['10.1.2.3'])
      assert.deepEqual(await resolve('fd00::1'), ['fd00::1'])
      assert.ok((await resolve('localhost')).every((address) => address === '127.0.0.1' || address === '::1'))
      await assert.rejects(resolve('no-such-name.invalid'), failsWith('dns'))
    })

    void it('lets running requests finish while it closes, and cuts them after the grace', async () => {
      const gate = Promise.withResolvers<void>()
      const started = Promise.withResolvers<void>()
      const listening = await serve(async ({ path }) => {
        started.resolve()
        if (path === '/slow') await gate.promise
        else await new Promise(() => {})
        return { status: 200, body: 'finished' }
      })
      const slow = request(listening.port, '/slow')
      const stuck = request(listening.port, '/stuck').catch((error: unknown) => error)
      await under.run(started.promise)
      const closing = under.other.timers.sleep(20).then(() => listening.close(200))
      void under.other.timers.sleep(60).then(() => gate.resolve())
      assert.equal(text((await under.run(slow)).body), 'finished')
      await under.run(closing)
      assert.ok(failsWith('reset')(await under.run(stuck)))
    })

    void it('tells the endpoint when it begins to close, so that an answer without end ends', async () => {
      const started = Promise.withResolvers<void>()
      const stopped = Promise.withResolvers<void>()
      let told = 0
      const stream = endpoint(async () => {
        started.resolve()
        await stopped.promise
        return { status: 200, body: 'as much as there was' }
      })
      const ending = (): void => {
        told += 1
        stopped.resolve()
      }
      const listening = await under.run(under.other.net.serve({ host: under.address, port: 0 }, { ...stream, ending }))
      const answer = request(listening.port, '/stream')
      await under.run(started.promise)
      await under.run(listening.close(60_000))
      await under.run(listening.close(60_000))
      assert.equal(text((await under.run(answer)).body), 'as much as there was')
      assert.equal(told, 1)
    })

    void it('runs a child and gives its lines and its exit code', async () => {
      const lines: string[] = []
      const child = await under.run(
        world.processes.start({ ...under.command('lines'), onLine: (stream, line) => lines.push(`${stream} ${line}`) }),
      )
      assert.deepEqual(await under.run(child.done), { code: 3, signal: null, reason: 'exited' })
      assert.deepEqual(lines.sort(), ['stderr three', 'stdout one', 'stdout two'])
    })

    void it('ends a child by deadline or abort with TERM', async () => {
      const late = await under.run(world.processes.start({ ...under.command('hangs'), deadlineMs: 100 }))
      assert.deepEqual(await under.run(late.done), { code: null, signal: 'SIGTERM', reason: 'deadline' })
      const giveUp = new AbortController()
      const unwanted = await under.run(world.processes.start({ ...under.command('hangs'), signal: giveUp.signal, deadlineMs: 60_000 }))
      giveUp.abort(new Error('not wanted'))
      assert.deepEqual(await under.run(unwanted.done), { code: null, signal: 'SIGTERM', reason: 'aborted' })
      await assert.rejects(under.run(world.processes.start({ ...under.command('hangs'), signal: giveUp.signal })), /not wanted/)
    })

    void it('kills a child that does not listen', async () => {
      const giveUp = new AbortController()
      const ready = Promise.withResolvers<void>()
      const child = await under.run(
        world.processes.start({
          ...under.command('ignores-term'),
          signal: giveUp.signal,
          killGraceMs: 100,
          onLine: () => ready.resolve(),
        }),
      )
      await under.run(ready.promise)
      giveUp.abort()
      assert.deepEqual(await under.run(child.done), { code: null, signal: 'SIGKILL', reason: 'aborted' })
    })

    void it('refuses commands that are not there', async () => {
      const start = world.processes.start({ command: 'no-such-command-here', args: [], env: {} })
      await assert.rejects(under.run(start), { code: 'ENOENT' })
    })

    void it('keeps files: whole, listed, sized, private', async () => {
      const path = `${under.folder}/vault/deep/secret`
      await under.run(world.files.write(path, 'first'))
      await under.run(world.files.write(path, new TextEncoder().encode('second')))
      assert.equal(text(await under.run(world.files.read(path))), 'second')
      assert.equal(await under.run(world.files.size(path)), 6)
      assert.equal(await under.run(world.files.mode!(path)), 0o600)
      await under.run(world.files.write(`${under.folder}/vault/open`, 'x', { mode: 0o644 }))
      assert.equal(await under.run(world.files.mode!(`${under.folder}/vault/open`)), 0o644)
      assert.deepEqual(await under.run(world.files.list(`${under.folder}/vault`)), ['deep', 'open'])
    })

    void it('streams files of any size in small pieces, whole or a part', async () => {
      const path = `${under.folder}/vault/image`
      const data = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251)
      await under.run(world.files.write(path, data))
      const read = async (range?: { start: number; end: number }): Promise<Uint8Array> => {
        const pieces: Uint8Array[] = []
        for await (const piece of world.files.stream(path, range)) pieces.push(piece)
        assert.ok(pieces.every((piece) => piece.length > 0 && piece.length <= 65_536))
        return new Uint8Array(Buffer.concat(pieces))
      }
      assert.deepEqual(await under.run(read()), data)
      assert.deepEqual(await under.run(read({ start: 70_000, end: 140_000 })), data.slice(70_000, 140_001))
      assert.deepEqual(await under.run(read({ start: 199_999, end: 300_000 })), data.slice(199_999))
      assert.deepEqual(await under.run(read({ start: 200_000, end: 300_000 })), new Uint8Array())
      const first = async (): Promise<number> => {
        for await (const piece of world.files.stream(path)) return piece.length
        return 0
      }
      assert.equal(await under.run(first()), 65_536, 'who has enough stops')
      const absent = async (): Promise<void> => {
        for await (const _ of world.files.stream(`${path}.gone`)) assert.fail()
      }
      await assert.rejects(under.run(absent()), { code: 'ENOENT' })
    })

    void it('writes files of any size piece by piece: whole at the end, or not at all', async () => {
      const path = `${under.folder}/vault/large`
      const fill = async (byte: number) => {
        const writer = await world.files.create(path, { mode: 0o640 })
        const piece = new Uint8Array(40_000).fill(byte)
        await writer.write(piece)
        piece.fill(0)
        await writer.write(new Uint8Array(30_000).fill(byte))
        return writer
      }
      const first = await under.run(fill(1))
      assert.equal(await under.run(world.files.read(path)), undefined)
      await under.run(first.commit())
      await under.run(first.discard())
      const second = await under.run(fill(2))
      await under.run(second.discard())
      await under.run(second.discard())
      assert.deepEqual(await under.run(world.files.read(path)), new Uint8Array(70_000).fill(1))
      assert.equal(await under.run(world.files.mode!(path)), 0o640)
      assert.deepEqual(await under.run(world.files.list(`${under.folder}/vault`)), ['large'])
    })

    void it('walks below a folder, folder by folder', async () => {
      for (const name of ['b/2', 'b/1', 'a', 'b.x', 'b/c/deep', 'c'])
        await under.run(world.files.write(`${under.folder}/tree/${name}`, name, { mode: name === 'a' ? 0o644 : 0o600 }))
      const walk = async (folder: string) => {
        const found: string[] = []
        for await (const file of world.files.walk(folder)) found.push(`${file.path} ${file.sizeBytes} ${file.mode.toString(8)}`)
        return found
      }
      const found = ['a 1 644', 'b/1 3 600', 'b/2 3 600', 'b/c/deep 8 600', 'b.x 3 600', 'c 1 600']
      assert.deepEqual(await under.run(walk(`${under.folder}/tree`)), found)
      assert.deepEqual(await under.run(walk(`${under.folder}/nowhere`)), [])
    })

    void it('appends, renames and removes; what is not there is no error', async () => {
      const log = `${under.folder}/logs/play.log`
      await under.run(world.files.append(log, 'one\n'))
      await under.run(world.files.append(log, 'two\n'))
      await under.run(world.files.rename(log, `${under.folder}/kept/play.log`))
      assert.equal(await under.run(world.files.read(log)), undefined)
      assert.equal(text(await under.run(world.files.read(`${under.folder}/kept/play.log`))), 'one\ntwo\n')
      await under.run(world.files.remove(`${under.folder}/kept`))
      await under.run(world.files.remove(`${under.folder}/kept`))
      assert.deepEqual(await under.run(world.files.list(`${under.folder}/kept`)), [])
      assert.equal(await under.run(world.files.size(`${under.folder}/kept/play.log`)), undefined)
      await assert.rejects(under.run(world.files.rename(log, `${log}.2`)), { code: 'ENOENT' })
    })
  })
}
