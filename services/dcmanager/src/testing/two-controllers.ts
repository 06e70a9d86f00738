import type { TestContext } from 'node:test'
import { createManualWorld, type ManualWorld } from '@murmuration/jobs/testing'
import type { HttpRequest, HttpResponse, World } from '@murmuration/world'
import { readSystemPeer } from '../store/system-peers.ts'
import { createPeerRoom, type PeerRoom } from '../work/peer-room.ts'
import { createPeers } from '../work/peers.ts'
import { addOperationRoutes } from '../api/operations.ts'
import { apiBench, base64, type ApiBench } from './api-bench.ts'
import { createLinks, type TestLinks } from './geo-fixture.ts'

/** A system controller whose API others reach: the real application, and its manager's part towards peers. */
export interface Controller extends ApiBench {
  readonly uuid: string
  readonly name: string
  readonly origin: string
  readonly world: World
  /** Starts (again) what a manager does for peers; `crash` ends it without a word. */
  start(): Promise<PeerRoom>
  stop(): Promise<void>
  peerIsAvailable(): Promise<string>
}

export interface TwoControllers {
  readonly manual: ManualWorld
  readonly links: TestLinks
  readonly one: Controller
  readonly two: Controller
  /** Nobody reaches it, and it reaches nobody. */
  isolate(controller: Controller): void
  heal(): void
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const json = (status: number, value: unknown, headers = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: encode(value),
})

/** As fake tokens spell it: the user is `user-admin@admin`. */
const token = 'admin@admin'
export const peerPassword = 'Peer*very-secret'

/**
 * Two system controllers in one process, each with its real application over its own database, between them a network that can be
 * cut; identity and platform are as little as a peer asks of them. Time passes when the test says so.
 */
export async function twoControllers(t: TestContext): Promise<TwoControllers> {
  const manual = createManualWorld({ instant: true })
  const links = createLinks()
  const cut = new Set<string>()
  const make = async (n: number): Promise<Controller> => {
    const origin = `http://dc-${n}.test`
    const uuid = `${String(n).repeat(8)}-0000-4000-8000-000000000000`
    const name = `dc-${n}`
    const linked = links.worldOf(manual.world)
    // A cut controller's own requests vanish too.
    const world: World = {
      ...linked,
      net: {
        ...linked.net,
        request: (request) =>
          cut.has(origin) ? linked.net.request({ ...request, url: 'http://nobody.test/' }) : linked.net.request(request),
      },
    }
    const bench = await apiBench(t, {
      world,
      system: { uuid, name },
      more: ({ site, database }) => [(app) => addOperationRoutes(app, { site, database })],
    })
    const endpoint = await bench.app.endpoint()
    links.answers.set(origin, async (request) => answer(request, endpoint.inject.bind(endpoint), { origin, uuid, name, world }))
    const facts = { ownSystem: async () => ({ uuid, name }) }
    let room: PeerRoom | undefined
    const controller: Controller = {
      ...bench,
      uuid,
      name,
      origin,
      world,
      async start() {
        room = createPeerRoom({ site: bench.site, database: bench.database, facts, peers: createPeers(bench.site, facts) })
        await room.start()
        return room
      },
      async stop() {
        const ending = room?.stop()
        await manual.until('the room to stop', async () => (await Promise.race([ending, Promise.resolve('not yet')])) !== 'not yet', 100)
        room = undefined
      },
      peerIsAvailable: async () => (await readSystemPeer(bench.database, 1))?.availability_state ?? 'gone',
    }
    return controller
  }
  const one = await make(1)
  const two = await make(2)
  t.after(async () => {
    await one.stop()
    await two.stop()
  })
  return {
    manual,
    links,
    one,
    two,
    isolate({ origin }) {
      cut.add(origin)
      links.down.add(origin)
    },
    heal() {
      cut.clear()
      links.down.clear()
    },
    until: (what, holds) => manual.until(what, holds, 200),
  }
}

async function answer(
  request: HttpRequest,
  inject: (request: HttpRequest) => Promise<HttpResponse>,
  { origin, uuid, name, world }: { origin: string; uuid: string; name: string; world: World },
): Promise<HttpResponse> {
  const { pathname } = new URL(request.url)
  if (pathname === '/v1/isystems') return json(200, { isystems: [{ uuid, name }] })
  if (pathname !== '/v3/auth/tokens') return inject(request)
  const { auth } = JSON.parse(String(request.body)) as { auth: { identity: { password: { user: { password: string } } } } }
  if (auth.identity.password.user.password !== peerPassword) return json(401, {})
  const nowMs = world.clock.nowMs()
  const body = {
    token: {
      issued_at: new Date(nowMs).toISOString(),
      expires_at: new Date(nowMs + 3_600_000).toISOString(),
      catalog: [
        { type: 'platform', endpoints: [{ interface: 'public', region: 'RegionOne', url: `${origin}/v1` }] },
        { type: 'dcmanager', endpoints: [{ interface: 'public', region: 'SystemController', url: `${origin}/v1.0` }] },
      ],
    },
  }
  return json(201, body, { 'x-subject-token': token })
}

/** What an operator enters at `at` for the other controller: interval 10 s, threshold 3. */
export const addPeerOf = (at: Controller, other: Pick<Controller, 'uuid' | 'name' | 'origin'>) =>
  at.call('POST', '/v1.0/system-peers', {
    json: {
      peer_uuid: other.uuid,
      peer_name: other.name,
      manager_endpoint: `${other.origin}/v3`,
      manager_username: `user-${token}`,
      manager_password: base64(peerPassword),
      // Inside the management network of these sites, outside its pool.
      peer_controller_gateway_address: '127.0.0.253',
      heartbeat_interval: 10,
      heartbeat_failure_threshold: 3,
    },
  })
