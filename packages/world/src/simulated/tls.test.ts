import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TlsIdentity } from '../world.ts'
import { endpoint } from '../testing/world-contract.ts'
import { createSimulation } from './index.ts'

const daysMs = 86_400_000

function makeCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'world-simulated-tls-'))
  const openssl = (line: string): void => void execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' })
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  for (const ca of ['ca', 'stranger']) openssl(`req -x509 ${key} -days 30 -subj /CN=${ca} -keyout ${ca}.key -out ${ca}.pem`)
  openssl(`req ${key} -subj /CN=site -addext subjectAltName=IP:10.0.0.2 -keyout site.key -out site.csr`)
  openssl('x509 -req -in site.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 5 -copy_extensions copy -out site.pem')
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const texts = { ca: read('ca.pem'), stranger: read('stranger.pem'), cert: read('site.pem'), key: read('site.key') }
  rmSync(folder, { recursive: true })
  return texts
}

void test('the simulated network checks certificates of both sides, by the clock of the host', async () => {
  const { ca, stranger, cert, key } = makeCertificates()
  const simulation = createSimulation(1, { startMs: Date.now() + daysMs })
  const host = simulation.host('site')
  const { world } = host.boot()
  for (const [name, text] of Object.entries({ ca, cert, key })) await simulation.complete(world.files.write(`/tls/${name}`, text))
  const tls = { certFile: '/tls/cert', keyFile: '/tls/key', clientCaFile: '/tls/ca' }
  const app = endpoint(() => Promise.resolve({ status: 200, body: '' }))
  await simulation.complete(world.net.serve({ host: '10.0.0.2', port: 443, tls }, app))
  const client = simulation.host('client').boot().world
  const ask = (identity?: TlsIdentity, url = 'https://10.0.0.2/') =>
    simulation.complete(client.net.request({ method: 'GET', url, deadlineMs: 100, ...(identity === undefined ? {} : { tls: identity }) }))

  const answer = await ask({ ca, cert, key })
  assert.equal(answer.status, 200)
  const leftMs = (answer.peerCertificateNotAfterMs ?? 0) - world.clock.nowMs()
  assert.ok(leftMs > 3.9 * daysMs && leftMs < 4.1 * daysMs)
  await assert.rejects(ask({ ca }), { code: 'tls' })
  await assert.rejects(ask({ ca: stranger, cert, key }), { code: 'tls' })
  await assert.rejects(ask({ cert, key }), { code: 'tls' })
  await assert.rejects(ask({ ca, cert: stranger, key }), { code: 'tls' })
  await assert.rejects(ask({ ca, cert, key, serverName: 'other.test' }), { code: 'tls' })
  await assert.rejects(ask(undefined, 'http://10.0.0.2:443/'), { code: 'protocol' })
  host.stepClock(6 * daysMs)
  await assert.rejects(ask({ ca, cert, key }), { code: 'tls' })
  const missing = world.net.serve({ host: '10.0.0.2', port: 444, tls: { ...tls, certFile: '/nowhere' } }, app)
  await assert.rejects(simulation.complete(missing), { code: 'ENOENT' })
})
