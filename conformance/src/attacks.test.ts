import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { queries, references, texts, values } from './attacks/hostile.ts'
import { filled, publishedRoutes, type Route } from './attacks/routes.ts'
import { createApi, exchange, multipart, signIn, type Answer } from './testing/client.ts'
import { startFleet, type Fleet } from './testing/fleet.ts'
import { until } from './testing/until.ts'

/**
 * Rows of the catalogue of attacks against a running controller, over sockets: nothing answers 5xx, nothing is half done. The
 * packages' own tests go deeper; here it is the whole, as it is served.
 */

let fleet: Fleet
let routes: readonly Route[]
let admin: string
const ports = { identity: 5000, dcmanager: 8119, platform: 6385 }

before(async () => {
  fleet = await startFleet('embedded', { auditIntervalMs: 30_000 })
  admin = await fleet.dcmanager.token()
  const published = Object.entries(ports).map(([service, port]) => publishedRoutes(service, `http://${fleet.address}:${port}`))
  routes = (await Promise.all(published)).flat()
})
after(() => fleet?.end())

/** Runs over many at once, but not all. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>, atOnce = 12): Promise<void> {
  const left = [...items]
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
    }),
  )
}

const as = (token: string, more: Readonly<Record<string, string>> = {}) => ({ accept: 'application/json', 'x-auth-token': token, ...more })
const json = { 'content-type': 'application/json' }

/** What is wrong with an answer, if anything is. */
function complaint(answer: Answer): string | undefined {
  if (answer.status < 200 || answer.status >= 500) return `${answer.status} ${answer.text.slice(0, 200)}`
  return /node_modules|\.ts:\d+|SQLITE_|select .* from /i.test(answer.text) ? `shows its insides: ${answer.text.slice(0, 200)}` : undefined
}

const mutating = (route: Route): boolean => !['GET', 'HEAD'].includes(route.method)
/** A stream that does not end by itself. */
const endless = (route: Route): boolean => route.path.startsWith('/v1.0/changes/')

test(
  'every published operation, with bodies, members, paths and queries that nobody sends (1–3, 7–11, 38)',
  { timeout: 900_000 },
  async (t) => {
    assert.ok(routes.length > 100, `${routes.length} operations are published`)
    const before = await state()
    const complaints = new Set<string>()
    let sent = 0
    await each(
      routes.filter((route) => !endless(route)),
      async (route) => {
        const name = `${route.service} ${route.method} ${route.path}`
        const send = async (url: string, body?: string | Uint8Array, headers: Record<string, string> = {}): Promise<void> => {
          const message = { method: route.method, url, headers: as(admin, headers), ...(body === undefined ? {} : { body }) }
          const wrong = complaint(await exchange(message))
          sent += 1
          if (wrong !== undefined) complaints.add(`${name}: ${wrong}\n    ${url.slice(0, 120)} ${String(body ?? '').slice(0, 120)}`)
        }
        if (route.parameters.length > 0) for (const reference of references) await send(filled(route, [reference]))
        for (const query of route.queries)
          for (const value of queries.slice(0, 5)) await send(`${filled(route, ['nobody'])}?${query}=${value}`)
        for (const value of queries) await send(`${filled(route, ['nobody'])}?limit=${value}&marker=${value}&sort=${value}&name=${value}`)
        if (!mutating(route)) return
        // Whoever has no parameter to miss with would do what it is told by an empty body.
        const harmless = route.parameters.length > 0 || route.method !== 'DELETE'
        if (!harmless) return
        for (const text of texts) await send(filled(route, ['nobody']), text, json)
        for (const member of route.members)
          for (const value of values) await send(filled(route, ['nobody']), JSON.stringify({ [member]: value }), json)
        if (!route.isForm) return
        for (const member of route.members)
          for (const content of ['a: &a [*a]\n', '!!python/object/apply:os.system ["id"]', '\t- x', 'x: 1\nx: 2\n', '']) {
            const form = multipart({ [member]: { fileName: '../../x\u0000', content } })
            await send(filled(route, ['nobody']), form.body, { 'content-type': form.contentType })
          }
      },
    )
    t.diagnostic(`${sent} requests`)
    assert.deepEqual([...complaints].slice(0, 20), [], `${complaints.size} complaints`)
    assert.deepEqual(await state(), before, 'nothing was half done')
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  },
)

/** What a hostile request could have left behind at the fleet manager. */
async function state(): Promise<unknown> {
  const { dcmanager } = fleet
  return [
    await dcmanager.get('/v1.0/subclouds'),
    await dcmanager.get('/v1.0/subcloud-groups'),
    await dcmanager.get('/v1.0/subcloud-deploy'),
    await dcmanager.get('/v1.0/alarms'),
  ]
}

test(
  'readers change nothing; members of other projects see nothing; claimed identities count for nothing (24, 25)',
  { timeout: 900_000 },
  async () => {
    const identity = createApi(`http://${fleet.address}:5000`, fleet.authUrl, credentialsOf(fleet))
    const made = async (path: string, body: object): Promise<string> => {
      const answer = await identity.send('POST', path, { json: body })
      assert.equal(answer.status, 201, answer.text)
      return (Object.values(answer.json as Record<string, { id: string }>)[0] as { id: string }).id
    }
    const idOf = async (path: string): Promise<string> => {
      const answer = await identity.get<Record<string, { id: string }[]>>(path)
      return Object.values(answer).find((member) => Array.isArray(member))![0]!.id
    }
    const user = await made('/v3/users', { user: { name: 'rita', password: 'Rita-reads-1', domain_id: 'default' } })
    const project = await made('/v3/projects', { project: { name: 'elsewhere', domain_id: 'default' } })
    const [adminProject, reader, adminRole] = await Promise.all([
      idOf('/v3/projects?name=admin'),
      idOf('/v3/roles?name=reader'),
      idOf('/v3/roles?name=admin'),
    ])
    for (const [where, role] of [
      [adminProject, reader],
      [project, adminRole],
    ]) {
      const answer = await identity.send('PUT', `/v3/projects/${where}/users/${user}/roles/${role}`)
      assert.equal(answer.status, 204, answer.text)
    }
    const rita = { user: 'rita', password: 'Rita-reads-1' }
    const reading = await signIn(fleet.authUrl, { ...rita, project: 'admin' })
    const elsewhere = await signIn(fleet.authUrl, { ...rita, project: 'elsewhere' })
    const forged = {
      'x-roles': 'admin',
      'x-user-id': 'admin',
      'x-project-name': 'admin',
      'x-is-admin-project': 'true',
      'x-identity-status': 'Confirmed',
    }

    const own = routes.filter((route) => route.policy !== undefined && !/^(public|authenticated)/.test(route.policy))
    assert.ok(own.length > 80, `${own.length} operations have a rule`)
    await each(own.filter(mutating), async (route) => {
      const ask = async (headers: Record<string, string>): Promise<number> =>
        (await exchange({ method: route.method, url: filled(route, [user]), headers: { ...headers, ...json }, body: '{}' })).status
      const name = `${route.service} ${route.method} ${route.path} (${route.policy})`
      assert.equal(await ask({ accept: 'application/json' }), 401, name)
      assert.equal(await ask(forged), 401, `${name}: claimed without a token`)
      // Rules that depend on the body or its target are asked later: what counts there is that nothing is done.
      const refusals = route.service === 'identity' || route.policy === 'in-handler' ? [400, 403, 404, 409, 410, 415, 422] : [403]
      const statuses = [await ask(as(reading, forged)), ...(route.service === 'dcmanager' ? [await ask(as(elsewhere))] : [])]
      assert.ok(
        statuses.every((status) => refusals.includes(status)),
        `${name}: ${statuses.join(' as a reader, from another project ')}`,
      )
    })
    const asks = async (token: string, path: string): Promise<number> =>
      (await exchange({ url: `${fleet.dcmanager.base}${path}`, headers: as(token, forged) })).status
    for (const path of ['/v1.0/subclouds', '/v1.0/subcloud-groups', '/v1.0/alarms', '/v1.0/subcloud-deploy']) {
      assert.equal(await asks(reading, path), 200, path)
      assert.equal(await asks(elsewhere, path), 403, path)
    }
    const group = JSON.stringify({ name: 'x', description: 'x', update_apply_type: 'parallel', max_parallel_subclouds: 1 })
    for (const token of [reading, elsewhere]) {
      const answer = await exchange({
        method: 'POST',
        url: `${fleet.dcmanager.base}/v1.0/subcloud-groups`,
        headers: as(token, { ...json, ...forged }),
        body: group,
      })
      assert.equal(answer.status, 403)
    }
  },
)

const credentialsOf = ({ openrc }: Fleet) => ({
  user: openrc['OS_USERNAME']!,
  password: openrc['OS_PASSWORD']!,
  project: openrc['OS_PROJECT_NAME']!,
})

test('tokens that are none, and one that is none any more (26)', { timeout: 900_000 }, async () => {
  const services = [`${fleet.dcmanager.base}/v1.0/subclouds`, `http://${fleet.address}:6385/v1/isystems`, `${fleet.authUrl}/users`]
  const token = await signIn(fleet.authUrl, credentialsOf(fleet))
  const encodedPart = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = { sub: 'admin', roles: ['admin'], exp: 4_102_444_800 }
  const middle = Math.floor(token.length / 2)
  const none = [
    'x',
    token.slice(0, -1),
    token.slice(1),
    `${token}A`,
    `${token.slice(0, middle)}${token[middle] === 'A' ? 'B' : 'A'}${token.slice(middle + 1)}`,
    `${encodedPart({ alg: 'none', typ: 'JWT' })}.${encodedPart(claims)}.`,
    'a'.repeat(8_000),
  ]
  await each(services, async (url) => {
    for (const bad of none) assert.equal((await exchange({ url, headers: as(bad) })).status, 401, `${url} ${bad.slice(0, 20)}…`)
    const huge = await exchange({ url, headers: as('a'.repeat(1_000_000)) }).catch((error: NodeJS.ErrnoException) => ({
      status: 431,
      code: error.code,
    }))
    assert.ok([401, 431].includes(huge.status), `${url}: ${huge.status}`)
    assert.equal((await exchange({ url, headers: as(token) })).status, 200, url)
  })
  const revoked = await exchange({
    method: 'DELETE',
    url: `${fleet.authUrl}/auth/tokens`,
    headers: as(admin, { 'x-subject-token': token }),
  })
  assert.equal(revoked.status, 204)
  for (const url of services)
    await until(`${url} refuses a revoked token`, async () => (await exchange({ url, headers: as(token) })).status === 401, {
      timeoutMs: 5_000,
    })
})

/** What a server says to these bytes, until it closes or is silent. */
function say(port: number, text: string, silentMs = 3_000): Promise<{ said: string; closed: boolean }> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(port, fleet.address, () => socket.write(text))
    const end = (closed: boolean): void => {
      socket.destroy()
      resolve({ said, closed })
    }
    socket.setTimeout(silentMs, () => end(false))
    socket.on('data', (chunk: Buffer) => (said += chunk.toString()))
    socket.on('error', () => end(true))
    socket.on('end', () => end(true))
  })
}

test('requests that two servers would read differently: 400, and the connection ends (4)', { timeout: 900_000 }, async () => {
  const head = `POST /v1.0/subcloud-groups HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${admin}\r\nContent-Type: application/json\r\n`
  const smuggled = 'GET /v1.0/subclouds HTTP/1.1\r\nHost: x\r\n\r\n'
  for (const [what, text] of [
    ['chunked and a length', `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', `${head}Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}${smuggled}`],
    ['a folded header', `${head}X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}${smuggled}`],
    ['a length that is none', `${head}Content-Length: +2\r\n\r\n{}${smuggled}`],
    ['chunked that is none', `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a bare line feed in a name', `${head}X-A\n: b\r\nContent-Length: 2\r\n\r\n{}${smuggled}`],
  ] as const)
    await each(Object.values(ports), async (port) => {
      const { said, closed } = await say(port, text)
      assert.match(said, /^HTTP\/1\.1 4\d\d /, `${what} on ${port}: ${said.slice(0, 200)}`)
      assert.equal(said.match(/HTTP\/1\.1 /g)!.length, 1, `${what} on ${port}: a second answer`)
      assert.ok(closed, `${what} on ${port}: the connection stays`)
    })
})

test('much, compressed and idle: refused early, and others are served (3, 5, 6)', { timeout: 900_000 }, async () => {
  const head = (more: string): string =>
    `POST /v1.0/subcloud-groups HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${admin}\r\nContent-Type: application/json\r\n${more}\r\n\r\n`
  const startedMs = performance.now()
  const large = await say(ports.dcmanager, head('Content-Length: 200000000'))
  assert.match(large.said, /^HTTP\/1\.1 413 /)
  assert.ok(performance.now() - startedMs < 2_500, 'before anything of it was sent')
  assert.match(
    (await say(ports.dcmanager, `${head('Content-Length: 4\r\nContent-Encoding: gzip')}\u001f\u008b..`)).said,
    /^HTTP\/1\.1 415 /,
  )

  const slowest = async (): Promise<number> => {
    const times: number[] = []
    for (let n = 0; n < 100; n += 1) {
      const beganMs = performance.now()
      assert.equal((await exchange({ url: `${fleet.dcmanager.base}/v1.0/subclouds`, headers: as(admin) })).status, 200)
      times.push(performance.now() - beganMs)
    }
    return times.toSorted((a, b) => a - b)[95]!
  }
  const undisturbedMs = await slowest()
  const idle: Socket[] = []
  try {
    for (let n = 0; n < 1_000; n += 1) {
      const socket = connect(ports.dcmanager, fleet.address)
      socket.on('error', () => {})
      socket.write('GET /v1.0/subclouds HTTP/1.1\r\nX-Slow: ')
      idle.push(socket)
    }
    const disturbedMs = await slowest()
    // Whatever else this machine does meanwhile.
    assert.ok(
      disturbedMs < 100 + 5 * undisturbedMs,
      `95 of 100 within ${disturbedMs} ms beside 1,000 slow connections, ${undisturbedMs} ms without`,
    )
  } finally {
    for (const socket of idle) socket.destroy()
  }
})

test('lists: limits, markers, sorts and patterns that are none (38)', { timeout: 900_000 }, async () => {
  const list = (query: string): Promise<Answer> => fleet.dcmanager.send('GET', `/v1.0/subclouds?${query}`)
  for (const query of [
    'limit=0',
    'limit=-1',
    'limit=1e9',
    'limit=1001',
    'limit=x',
    'marker=forged',
    'sort=description:sideways',
    'sort=secret',
    'deploy-status=gone',
  ])
    assert.equal((await list(query)).status, 400, query)
  const startedMs = performance.now()
  assert.equal((await list(`q=${encodeURIComponent(`${'a'.repeat(100)}(a+)+$%_%`)}`)).status, 200)
  assert.ok(performance.now() - startedMs < 500)
})

test('what requests bring stands in the log on one line, and secrets do not (35)', { timeout: 900_000 }, async () => {
  const canary = 'Canary-in-a-query-1'
  await fleet.dcmanager.send('GET', `/v1.0/subclouds?name=${canary}&sysadmin_password=${canary}`)
  await fleet.dcmanager.send('GET', '/v1.0/subclouds/%0d%0a%7B%22level%22:%22fatal%22,%22msg%22:%22forged%22%7D%1b%5B31m')
  await fleet.dcmanager.send('POST', '/v1.0/subclouds', {
    form: { sysadmin_password: canary, bmc_password: canary, name: `x\r\n{"msg":"forged"}` },
  })
  await signIn(fleet.authUrl, { user: 'admin', password: canary, project: 'admin' }).catch(() => {})
  await fleet.dcmanager.send('GET', '/v1.0/subclouds', {
    headers: { 'user-agent': '"}{"msg":"forged"}', 'x-openstack-request-id': 'req-forged' },
  })
  const log = await readFile(join(fleet.varFolder, 'log/murmur.log'), 'utf8')
  for (const line of log.trimEnd().split('\n')) {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    assert.ok(level !== 'fatal' && msg !== 'forged', line)
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f]/)
  }
  for (const secret of [canary, Buffer.from(canary).toString('base64'), admin, fleet.openrc['OS_PASSWORD']!])
    assert.ok(!log.includes(secret), 'a secret is in the log')
})

test('after all that the same process serves as before, and ends when asked', { timeout: 900_000 }, async () => {
  for (const port of Object.values(ports)) assert.equal((await exchange({ url: `http://${fleet.address}:${port}/healthz` })).status, 200)
  assert.deepEqual(await fleet.stopGracefully(), { murmur: 0 })
})
