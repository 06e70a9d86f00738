import type { HttpRequest, HttpResponse } from '@murmuration/world'

export interface StockSubcloud {
  id: number
  name: string
  'region-name': string
  'deploy-status': string
  'management-state': string
  peer_group_id: number | null
  rehome_data: string | null
  description: string | null
  location: string | null
  'software-version': string
}

interface StockGroup {
  id: number
  peer_group_name: string
  group_priority: number
  group_state: string
  max_subcloud_rehoming: number
  system_leader_id: string
  system_leader_name: string
  migration_status: string | null
}

export interface StockPeerOptions {
  readonly origin?: string
  readonly uuid?: string
  readonly name?: string
  readonly password?: string
  readonly nowMs: () => number
}

/**
 * A system controller as stock software shows itself to its peers (reference dcmanager §1.12–§1.14, §7.2, §13.2): Keystone, platform and
 * dcmanager behind one origin, the state in plain sight. It knows nothing of our headers and keys, and asks for what a stock one asks for.
 */
export interface StockPeer {
  readonly origin: string
  readonly uuid: string
  password: string
  readonly groups: StockGroup[]
  readonly systemPeers: { id: number; 'peer-uuid': string; 'peer-name': string }[]
  readonly associations: { id: number; 'peer-group-id': number; 'system-peer-id': number; 'sync-status': string }[]
  readonly subclouds: StockSubcloud[]
  /** `PATCH /v1.0/subclouds/abc` and so on, in order; without authentications. */
  readonly requests: { readonly what: string; readonly userAgent: string; readonly body: string }[]
  /** Refuses what it gives an answer for, before anything else is looked at. */
  refuse: ((what: string, request: HttpRequest) => HttpResponse | undefined) | undefined
  answer(request: HttpRequest): Promise<HttpResponse>
  addSystemPeer(uuid: string, name?: string): number
  addGroup(columns: Partial<StockGroup> & { peer_group_name: string }): StockGroup
  addSubcloud(columns: Partial<StockSubcloud> & { name: string }): StockSubcloud
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: new TextEncoder().encode(JSON.stringify(body)),
})

export function createStockPeer(options: StockPeerOptions): StockPeer {
  const origin = options.origin ?? 'http://peer.test:80'
  const peer: StockPeer = {
    origin,
    uuid: options.uuid ?? '9b8c0000-0000-4000-8000-000000000002',
    password: options.password ?? 'Peer1!',
    groups: [],
    systemPeers: [],
    associations: [],
    subclouds: [],
    requests: [],
    refuse: undefined,
    answer: async (request) => {
      try {
        return route(request)
      } catch (error) {
        if (error instanceof Refusal) return json(error.status, { code: error.status, title: 'Error', description: error.message })
        throw error
      }
    },
    addSystemPeer(uuid, name = 'us') {
      const id = nextId()
      peer.systemPeers.push({ id, 'peer-uuid': uuid, 'peer-name': name })
      return id
    },
    addGroup(columns) {
      const group: StockGroup = {
        id: nextId(),
        group_priority: 0,
        group_state: 'enabled',
        max_subcloud_rehoming: 10,
        system_leader_id: peer.uuid,
        system_leader_name: options.name ?? 'stock',
        migration_status: null,
        ...columns,
      }
      peer.groups.push(group)
      return group
    },
    addSubcloud(columns) {
      const subcloud: StockSubcloud = {
        id: nextId(),
        'region-name': `region-of-${columns.name}`,
        'deploy-status': 'secondary',
        'management-state': 'unmanaged',
        peer_group_id: null,
        rehome_data: null,
        description: null,
        location: null,
        'software-version': '26.09',
        ...columns,
      }
      peer.subclouds.push(subcloud)
      return subcloud
    },
  }
  let ids = 0
  let tokens = 0
  let valid = new Set<string>()
  let passwordOfTokens = peer.password
  const nextId = (): number => ++ids

  function authenticate(request: HttpRequest): HttpResponse {
    const { auth } = JSON.parse(String(request.body)) as {
      auth: { identity: { password: { user: { name: string; password: string } } }; scope: { project: { name: string } } }
    }
    if (auth.identity.password.user.password !== peer.password || auth.scope.project.name !== 'admin')
      return json(401, { error: { code: 401, message: 'The request you have made requires authentication.' } })
    const token = `stock-token-${++tokens}`
    // A changed password ends the tokens of the old one, as Keystone does it.
    if (passwordOfTokens !== peer.password) valid = new Set()
    passwordOfTokens = peer.password
    valid.add(token)
    const endpoint = (region: string, port: string) => ({ region, interface: 'public', url: `${origin}${port}` })
    const body = {
      token: {
        issued_at: new Date(options.nowMs()).toISOString(),
        expires_at: new Date(options.nowMs() + 3_600_000).toISOString(),
        catalog: [
          { type: 'platform', endpoints: [endpoint('RegionOne', '/v1')] },
          { type: 'dcmanager', endpoints: [endpoint('RegionOne', '/wrong/v1.0'), endpoint('SystemController', '/v1.0')] },
        ],
      },
    }
    return json(201, body, { 'x-subject-token': token })
  }

  function route(request: HttpRequest): HttpResponse {
    const { pathname } = new URL(request.url)
    const body = request.body === undefined ? '' : Buffer.from(request.body as string).toString()
    if (pathname === '/v3/auth/tokens') return authenticate(request)
    const what = `${request.method} ${pathname}`
    peer.requests.push({ what, userAgent: request.headers?.['user-agent'] ?? '', body })
    if (passwordOfTokens !== peer.password || !valid.has(request.headers?.['x-auth-token'] ?? ''))
      return json(401, 'Authentication required')
    const refused = peer.refuse?.(what, request)
    if (refused !== undefined) return refused
    if (pathname === '/v1/isystems')
      return json(200, {
        isystems: [
          { uuid: peer.uuid, name: options.name ?? 'stock', region_name: 'RegionOne', software_version: '25.09', system_mode: 'duplex' },
        ],
      })
    const [, version, resource, ref, verb] = pathname.split('/').map(decodeURIComponent)
    if (version !== 'v1.0') return json(404, { description: 'Not Found' })
    const asPeer = request.headers?.['user-agent'] === 'dcmanager/1.0'
    const call = { method: request.method, ref, verb, body, asPeer, type: request.headers?.['content-type'] ?? '' }
    if (resource === 'subcloud-peer-groups') return groupRoute(call)
    if (resource === 'peer-group-associations') return associationRoute(call)
    if (resource === 'subclouds') return subcloudRoute(call)
    if (resource === 'system-peers') {
      const found = peer.systemPeers.find((each) => each['peer-uuid'] === ref)
      if (found === undefined) throw new Refusal(404, 'System Peer not found')
      return json(200, found)
    }
    return json(404, { description: 'Not Found' })
  }

  interface Call {
    readonly method: string
    readonly ref: string | undefined
    readonly verb: string | undefined
    readonly body: string
    readonly asPeer: boolean
    readonly type: string
  }

  function groupRoute({ method, ref, verb, body, asPeer }: Call): HttpResponse {
    if (method === 'GET' && ref === undefined) return json(200, { subcloud_peer_groups: peer.groups })
    const given = body === '' ? {} : (JSON.parse(body) as Record<string, unknown>)
    if (method === 'POST') return json(200, peer.addGroup(columnsOf(given) as StockGroup))
    const group = peer.groups.find((each) => each.peer_group_name === ref || String(each.id) === ref)
    if (group === undefined) throw new Refusal(404, 'Subcloud Peer Group not found')
    if (verb === 'subclouds') return json(200, { subclouds: peer.subclouds.filter((each) => each.peer_group_id === group.id) })
    if (verb === 'audit') return json(200, { message: null })
    if (method === 'PATCH') {
      if (group.group_priority > 0 && !asPeer) throw new Refusal(400, 'Cannot update a peer group from a non-primary site.')
      Object.assign(group, columnsOf(given))
      return json(200, group)
    }
    if (method === 'DELETE') {
      if (peer.associations.some((each) => each['peer-group-id'] === group.id))
        throw new Refusal(400, 'Cannot delete a peer group which is associated with a system peer.')
      peer.groups.splice(peer.groups.indexOf(group), 1)
      return json(200, null)
    }
    return json(200, group)
  }

  function associationRoute({ method, ref, body }: Call): HttpResponse {
    if (method === 'GET' && ref === undefined) return json(200, { peer_group_associations: peer.associations })
    const given = body === '' ? {} : (JSON.parse(body) as Record<string, number & string>)
    if (method === 'POST') {
      const association = {
        id: nextId(),
        'peer-group-id': Number(given['peer_group_id']),
        'system-peer-id': Number(given['system_peer_id']),
        'sync-status': 'syncing',
      }
      peer.associations.push(association)
      return json(200, association)
    }
    const association = peer.associations.find((each) => String(each.id) === ref)
    if (association === undefined) throw new Refusal(404, 'Peer Group Association not found')
    if (method === 'PATCH') {
      const members = Object.keys(given)
      if (members.length !== 1 || members[0] !== 'sync_status') throw new Refusal(400, 'exactly one of peer_group_priority, sync_status')
      association['sync-status'] = String(given['sync_status'])
    }
    if (method === 'DELETE') {
      peer.associations.splice(peer.associations.indexOf(association), 1)
      return json(200, null)
    }
    return json(200, association)
  }

  function subcloudRoute({ method, ref, body, asPeer, type }: Call): HttpResponse {
    const form = method === 'POST' || method === 'PATCH' ? formParts(type, body) : {}
    if (method === 'POST') {
      if (form['secondary'] === undefined || !asPeer) throw new Refusal(400, 'subcloud sysadmin_password required')
      const values = JSON.parse(form['bootstrap_values'] ?? '{}') as Record<string, string>
      if (peer.subclouds.some((each) => each.name === values['name'])) throw new Refusal(409, 'Subcloud with that name already exists')
      return json(200, standby(peer.addSubcloud({ name: String(values['name']), 'region-name': form['region_name'] ?? '' }), form))
    }
    const found = peer.subclouds.find((each) => (asPeer && method !== 'DELETE' && each['region-name'] === ref) || each.name === ref)
    if (found === undefined) throw new Refusal(404, 'Subcloud not found')
    if (method === 'DELETE') {
      if (found.peer_group_id !== null && !asPeer) throw new Refusal(400, 'Subcloud is in a peer group')
      peer.subclouds.splice(peer.subclouds.indexOf(found), 1)
      return json(200, null)
    }
    if (method !== 'PATCH') return json(200, found)
    if (form['peer_group'] !== undefined) found.peer_group_id = form['peer_group'] === 'none' ? null : Number(form['peer_group'])
    if (form['management-state'] !== undefined) found['management-state'] = form['management-state']
    if (form['migrate'] === 'true') found['deploy-status'] = 'rehome-pending'
    return json(200, form['bootstrap_values'] === undefined ? found : standby(found, form))
  }

  const standby = (subcloud: StockSubcloud, form: Record<string, string>): StockSubcloud =>
    Object.assign(subcloud, {
      rehome_data: JSON.stringify({
        saved_payload: {
          ...(JSON.parse(form['bootstrap_values'] ?? '{}') as object),
          'bootstrap-address': form['bootstrap-address'] ?? form['bootstrap_address'],
        },
      }),
      description: form['description'] ?? subcloud.description,
      location: form['location'] ?? subcloud.location,
      'software-version': form['release'] ?? subcloud['software-version'],
    })

  return peer
}

class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const spelled = {
  'peer-group-name': 'peer_group_name',
  'group-priority': 'group_priority',
  'group-state': 'group_state',
  'max-subcloud-rehoming': 'max_subcloud_rehoming',
  'system-leader-id': 'system_leader_id',
  'system-leader-name': 'system_leader_name',
  migration_status: 'migration_status',
} as const

function columnsOf(given: Record<string, unknown>): Partial<StockGroup> {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(spelled, name))
  if (unknown.length > 0) throw new Refusal(400, `unknown member ${unknown.join()}`)
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [spelled[name as keyof typeof spelled], value === 'none' ? null : value]),
  )
}

/** The parts of a form by name: files by their content. */
export function formParts(contentType: string, body: string): Record<string, string> {
  const boundary = /boundary=(\S+)/.exec(contentType)?.[1]
  if (!contentType.startsWith('multipart/form-data') || boundary === undefined) throw new Refusal(500, 'not a multipart form')
  return Object.fromEntries(
    body
      .split(`--${boundary}`)
      .slice(1, -1)
      .map((part) => {
        const [head = '', ...rest] = part.slice(2, -2).split('\r\n\r\n')
        return [/name="([^"]*)"/.exec(head)?.[1] ?? '', rest.join('\r\n\r\n')]
      }),
  )
}
