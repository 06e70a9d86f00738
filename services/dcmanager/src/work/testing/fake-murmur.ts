/**
 * Stands in for `murmur` in tests of the playbooks: `serve --site FILE --detach`, `stop --site FILE` and `site ownership claim|show`
 * (whose owner stands in `ownership.json`). What it serves is just
 * what the playbooks look at: identity and platform over HTTP, the agent with mutual TLS, from the files that they wrote.
 * Every call leaves a line in `<folder of FILE>/calls.jsonl`, with the environment that it was given.
 */
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'

interface FakeSite {
  name: string
  varFolder: string
  address: string
  ports: Record<string, number>
  tls: { caFile: string; certFile: string; keyFile: string }
}

const words = process.argv.slice(2)
const option = (name: string): string | undefined =>
  words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? words[words.indexOf(`--${name}`) + 1]
const [verb, action] = words[0] === 'site' ? [`ownership ${words[2]}`, words[2]] : [words[0]]
const file = option('site') ?? ''
const detach = words.includes('--detach')
const folder = dirname(file)
const site = parse(readFileSync(file, 'utf8')) as FakeSite
const varFolder = resolve(folder, site.varFolder)
const pidFile = `${varFolder}/murmur.pid`
const note = (call: object): void => appendFileSync(`${folder}/calls.jsonl`, `${JSON.stringify(call)}\n`, { mode: 0o600 })

if (action === 'claim') claim()
else if (action === 'show') process.stdout.write(readOwner())
else if (verb === 'stop') stop()
else if (detach) await detached()
else serve()

function readOwner(): string {
  const path = `${varFolder}/ownership.json`
  return existsSync(path)
    ? readFileSync(path, 'utf8')
    : '{"owner":null,"owner_name":null,"epoch":0,"claimed_at":null,"owner_silent_ms":null}'
}

function claim(): void {
  note({ verb, owner: option('owner'), epoch: Number(option('epoch')) })
  const { owner, epoch } = JSON.parse(readOwner()) as { owner: string | null; epoch: number }
  const wanted = { owner: option('owner'), owner_name: option('name'), epoch: Number(option('epoch')), claimed_at: 'x', owner_silent_ms: 5 }
  if (wanted.epoch < epoch || (wanted.epoch === epoch && owner !== wanted.owner)) {
    process.stderr.write(`error: ${site.name} is managed by ${owner} under epoch ${epoch}; epoch ${wanted.epoch} was not taken.\n`)
    process.exit(4)
  }
  mkdirSync(varFolder, { recursive: true, mode: 0o700 })
  writeFileSync(`${varFolder}/ownership.json`, JSON.stringify(wanted))
}

function stop(): void {
  note({ verb })
  if (!existsSync(pidFile)) return
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')))
  } catch {
    // It is gone already.
  }
  rmSync(pidFile)
}

async function detached(): Promise<void> {
  note({ verb, name: site.name, environment: process.env })
  mkdirSync(varFolder, { recursive: true, mode: 0o700 })
  const log = openSync(`${varFolder}/fake.log`, 'a', 0o600)
  const child = spawn(process.execPath, [import.meta.filename, 'serve', '--site', file], { detached: true, stdio: ['ignore', log, log] })
  child.unref()
  for (;;) {
    const answer = await fetch(`http://${site.address}:${site.ports['identity']}/v3`).catch(() => undefined)
    if (answer?.ok === true) break
    if (child.exitCode !== null) process.exit(1)
    await new Promise((done) => setTimeout(done, 20))
  }
}

function serve(): void {
  writeFileSync(pidFile, String(process.pid))
  const system = { uuid: 'b4a1', name: site.name, description: '', location: '', contact: '' }
  const hosts: { hostname: string }[] = []
  const changes = (body: unknown): void => {
    for (const { path, value } of body as { path: string; value: string }[]) Object.assign(system, { [path.slice(1)]: value })
  }
  const http = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const { method, url = '' } = request
      response.setHeader('content-type', 'application/json')
      if (method === 'POST' && url.endsWith('/auth/tokens')) {
        const { password } = (JSON.parse(text) as { auth: { identity: { password: { user: { password: string } } } } }).auth.identity
          .password.user
        const right = password === readFileSync(`${folder}/secrets/admin-password`, 'utf8')
        return response.writeHead(right ? 201 : 401, { 'x-subject-token': 'fake-token' }).end('{}')
      }
      if (url.startsWith('/v3')) return response.end('{"version":{}}')
      if (request.headers['x-auth-token'] !== 'fake-token') return response.writeHead(401).end('{}')
      note({ method, url, body: text === '' ? undefined : (JSON.parse(text) as unknown) })
      if (method === 'PATCH') changes(JSON.parse(text))
      if (method === 'POST') hosts.push(JSON.parse(text) as { hostname: string })
      if (url.startsWith('/v1/isystems')) return response.end(JSON.stringify({ isystems: [system] }))
      return response.end(JSON.stringify({ ihosts: hosts }))
    })
  })
  for (const port of ['identity', 'platform'])
    createServer((request, response) => void http.emit('request', request, response))
      .on('error', () => process.exit(1))
      .listen(site.ports[port], site.address)
  createTlsServer(
    {
      ca: readFileSync(resolve(folder, site.tls.caFile)),
      cert: readFileSync(resolve(folder, site.tls.certFile)),
      key: readFileSync(resolve(folder, site.tls.keyFile)),
      requestCert: true,
      rejectUnauthorized: true,
    },
    (_request, response) => response.end('{}'),
  ).listen(site.ports['dcagentTls'], site.address)
}
