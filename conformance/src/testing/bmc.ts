import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'

export interface Bmc {
  readonly user: string
  readonly password: string
  /** What changed something, in order. */
  readonly changes: readonly string[]
  close(): Promise<void>
}

const root = '/redfish/v1'
const id = (path: string) => ({ '@odata.id': path })

/**
 * A baseboard controller with Redfish on its usual port, with a certificate that nobody vouches for, and the freshly installed
 * server's SSH port beside it (something that accepts connections). Ports below 1024: this needs root.
 */
export async function startBmc(options: {
  address: string
  serverAddress: string
  tlsFolder: string
  user: string
  password: string
  /** What the server does when it is switched on with an image in its drive; its SSH answers when it has. Default: nothing. */
  boots?: (imageUrl: string) => Promise<void>
}): Promise<Bmc> {
  const changes: string[] = []
  const { user } = options
  const wanted = `Basic ${Buffer.from(`${user}:${options.password}`).toString('base64')}`
  let power: 'On' | 'Off' = 'On'
  let image: string | undefined
  let booting: Promise<void> | undefined

  const drive = `${root}/Managers/1/VirtualMedia/CD`
  const resources = (): Record<string, unknown> => ({
    [`${root}/`]: { Systems: id(`${root}/Systems`), Managers: id(`${root}/Managers`) },
    [`${root}/Systems`]: { Members: [id(`${root}/Systems/1`)] },
    [`${root}/Systems/1`]: {
      ...id(`${root}/Systems/1`),
      PowerState: power,
      Actions: { '#ComputerSystem.Reset': { target: `${root}/Systems/1/Actions/ComputerSystem.Reset` } },
    },
    [`${root}/Managers`]: { Members: [id(`${root}/Managers/1`)] },
    [`${root}/Managers/1`]: { VirtualMedia: id(`${root}/Managers/1/VirtualMedia`) },
    [`${root}/Managers/1/VirtualMedia`]: { Members: [id(drive)] },
    [drive]: {
      ...id(drive),
      MediaTypes: ['CD', 'DVD'],
      Inserted: image !== undefined,
      Actions: Object.fromEntries(
        ['InsertMedia', 'EjectMedia'].map((action) => [`#VirtualMedia.${action}`, { target: `${drive}/Actions/VirtualMedia.${action}` }]),
      ),
    },
  })

  const [cert, key] = await Promise.all(['site.pem', 'site.key'].map((name) => readFile(join(options.tlsFolder, name))))
  const redfish = createServer({ cert, key }, (request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const path = request.url ?? ''
      response.setHeader('content-type', 'application/json')
      if (request.headers.authorization !== wanted) return response.writeHead(path === `${root}/` ? 200 : 401).end('{}')
      if (request.method === 'GET') {
        const body = resources()[path]
        return response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body ?? {}))
      }
      const body = JSON.parse(text) as { Image?: string; ResetType?: string }
      changes.push(`${path.split('/').at(-1)}${body.ResetType === undefined ? '' : ` ${body.ResetType}`}`)
      if (path.endsWith('InsertMedia')) image = body.Image
      if (path.endsWith('EjectMedia')) image = undefined
      if (body.ResetType !== undefined) power = body.ResetType === 'On' ? 'On' : 'Off'
      if (body.ResetType === 'ForceOff' && options.boots !== undefined) server.close()
      if (body.ResetType === 'On' && image !== undefined && options.boots !== undefined) {
        // A failure shows as it does there: nobody ever answers.
        booting = options.boots(image).then(() => listen(server, 22, options.serverAddress))
        booting.catch(() => {})
      }
      return response.writeHead(204).end()
    })
  })
  const server = createTcpServer((socket) => void socket.on('error', () => {}).end())
  await listen(redfish, 443, options.address)
  if (options.boots === undefined) await listen(server, 22, options.serverAddress)
  return {
    user,
    password: options.password,
    changes,
    async close() {
      redfish.closeAllConnections()
      await Promise.all([redfish, server].map((one) => new Promise((done) => one.close(done))))
      await booting
    },
  }
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
