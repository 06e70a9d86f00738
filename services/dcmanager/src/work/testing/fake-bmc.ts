import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface FakeBmc {
  readonly url: string
  readonly user: string
  readonly password: string
  /** Method, path and body of what changed something, in order. */
  readonly changes: string[]
  /** What is on while the host runs. */
  power: 'On' | 'Off'
  image: string | undefined
  /** What the virtual drive has read of it: status, range and length of each request. */
  readonly fetched: string[]
}

/** A Redfish service as small as install.yml needs it: one system, one manager, a floppy and a CD drive. */
export async function fakeBmc(
  t: TestContext,
  options: { password: string; drives?: readonly string[]; reads?: boolean },
): Promise<FakeBmc> {
  const drives = options.drives ?? ['Floppy', 'CD']
  const bmc = {
    url: '',
    user: 'sysop',
    password: options.password,
    changes: [] as string[],
    power: 'On' as 'On' | 'Off',
    image: undefined as string | undefined,
    fetched: [] as string[],
  }
  const wanted = `Basic ${Buffer.from(`${bmc.user}:${bmc.password}`).toString('base64')}`
  const id = (path: string) => ({ '@odata.id': path })
  const drive = (type: string) => ({
    ...id(`/redfish/v1/Managers/1/VirtualMedia/${type}`),
    MediaTypes: [type],
    Inserted: type === 'CD' && bmc.image !== undefined,
    Actions: Object.fromEntries(
      ['InsertMedia', 'EjectMedia'].map((action) => [
        `#VirtualMedia.${action}`,
        { target: `/redfish/v1/Managers/1/VirtualMedia/${type}/Actions/VirtualMedia.${action}` },
      ]),
    ),
  })
  const get = (path: string): unknown => {
    const type = drives.find((name) => path.endsWith(`/VirtualMedia/${name}`))
    if (type !== undefined) return drive(type)
    return {
      '/redfish/v1/': { Systems: id('/redfish/v1/Systems'), Managers: id('/redfish/v1/Managers') },
      '/redfish/v1/Systems': { Members: [id('/redfish/v1/Systems/1')] },
      '/redfish/v1/Systems/1': {
        ...id('/redfish/v1/Systems/1'),
        PowerState: bmc.power,
        Actions: { '#ComputerSystem.Reset': { target: '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset' } },
      },
      '/redfish/v1/Managers': { Members: [id('/redfish/v1/Managers/1')] },
      '/redfish/v1/Managers/1': { VirtualMedia: id('/redfish/v1/Managers/1/VirtualMedia') },
      '/redfish/v1/Managers/1/VirtualMedia': { Members: drives.map((name) => id(`/redfish/v1/Managers/1/VirtualMedia/${name}`)) },
    }[path]
  }
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => {
      const path = request.url ?? ''
      response.setHeader('content-type', 'application/json')
      if (request.headers.authorization !== wanted) return response.writeHead(401).end('{}')
      if (request.method === 'GET') {
        const body = get(path)
        return response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body ?? {}))
      }
      bmc.changes.push(`${request.method} ${path} ${text}`)
      const body = JSON.parse(text) as { Image?: string; ResetType?: string }
      if (path.endsWith('InsertMedia')) bmc.image = body.Image
      if (path.endsWith('InsertMedia') && options.reads === true) return void readImage(bmc).finally(() => response.writeHead(204).end())
      if (path.endsWith('EjectMedia')) bmc.image = undefined
      if (body.ResetType !== undefined) bmc.power = body.ResetType === 'On' ? 'On' : 'Off'
      return response.writeHead(204).end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  bmc.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return bmc
}

/** As a virtual drive does: how large it is, then the sector that says what it boots, then the end. */
async function readImage(bmc: { readonly image: string | undefined; readonly fetched: string[] }): Promise<void> {
  for (const [method, range] of [
    ['HEAD', undefined],
    ['GET', 'bytes=34816-36863'],
    ['GET', 'bytes=-2048'],
  ] as const) {
    const answer = await fetch(bmc.image!, { method, headers: range === undefined ? {} : { range } })
    const { length } = new Uint8Array(await answer.arrayBuffer())
    const told = answer.headers.get('content-range') ?? answer.headers.get('content-length')
    bmc.fetched.push(`${method} ${answer.status} ${told}: ${length}`)
  }
}
