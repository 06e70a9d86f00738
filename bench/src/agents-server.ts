import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'

/**
 * All simulated subclouds in one process: one listener on every loopback address, told apart by the address that was called.
 * Started by `audit-sweep`; with a folder it speaks mutual TLS.
 */
const [folder = ''] = process.argv.slice(2)
let answered = 0
let outOfSync = 0

const alarms = { critical_alarms: 0, major_alarms: 1, minor_alarms: 0, warnings: 2, cloud_status: 'degraded' }
const numberOf = (address: string): number => {
  const [, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return ((b - 16) << 16) + (c << 8) + d
}

const identity: RequestListener = (request, response) => {
  request.resume().on('end', () => {
    const body = JSON.stringify({
      token: {
        expires_at: new Date(Date.now() + 3_600_000).toISOString(),
        issued_at: new Date().toISOString(),
        methods: ['password'],
        roles: [],
      },
    })
    response.writeHead(201, { 'x-subject-token': 'token', 'content-type': 'application/json' }).end(body)
  })
}

const agent: RequestListener = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => answer(request, response, Buffer.concat(chunks)))
}

function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const asked = JSON.parse(body.toString()) as Record<string, unknown>
  answered += 1
  const differs = numberOf(request.socket.localAddress ?? '') <= outOfSync
  const reply = {
    base_audit: { availability: 'online', inactive_sg: [], alarms },
    ...('firmware_audit' in asked ? { firmware_audit: 'in-sync' } : {}),
    ...('kubernetes_audit' in asked ? { kubernetes_audit: differs ? 'out-of-sync' : 'in-sync' } : {}),
    ...('kube_rootca_audit' in asked ? { kube_rootca_audit: 'in-sync' } : {}),
    ...('software_audit' in asked ? { software_audit: { sync_status: 'in-sync', software_version: '26.09' } } : {}),
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply))
}

const listen = (handler: RequestListener): Promise<number> => {
  const server: Server =
    folder === ''
      ? createServer(handler)
      : createTlsServer(
          {
            cert: readFileSync(`${folder}/agents.pem`),
            key: readFileSync(`${folder}/agents.key`),
            ca: readFileSync(`${folder}/ca.pem`),
            requestCert: true,
            rejectUnauthorized: true,
          },
          handler,
        )
  server.keepAliveTimeout = 75_000
  return new Promise((resolve) => server.listen(0, '0.0.0.0', 10_000, () => resolve((server.address() as AddressInfo).port)))
}

process.on('message', (message: { count?: boolean; outOfSync?: number }) => {
  if (message.outOfSync !== undefined) outOfSync = message.outOfSync
  process.send!(answered)
})
process.send!({ identityPort: await listen(identity), agentPort: await listen(agent) })
