import { bulkInsert, timestamp, type Database } from '@murmuration/data'
import { openBus } from '@murmuration/rpc'
import type { Site } from '@murmuration/site'
import { openKeyring, Secret } from '@murmuration/trust'
import { NetworkError, type HttpRequest, type HttpResponse, type World } from '@murmuration/world'
import { insertAssociation, readAssociation, statusOf, type AssociationRow } from '../store/associations.ts'
import { writeDocuments } from '../store/documents.ts'
import { insertPeerGroup, type PeerGroupColumns, type PeerGroupRow } from '../store/peer-groups.ts'
import { endpointTypes, type Schema, type SubcloudTable } from '../store/schema.ts'
import { insertSystemPeer, peerSecretContext, type SystemPeerColumns, type SystemPeerRow } from '../store/system-peers.ts'
import type { AssociationParts } from '../work/association-sync.ts'
import { createPeers } from '../work/peers.ts'

export const here = { uuid: '0f0c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e', name: 'dc-lisbon' }
export const away = { uuid: '9b8c0000-0000-4000-8000-000000000002', name: 'dc-madrid', origin: 'http://peer.test' }

/** The network between controllers of a test: who answers at an origin, and which of them can't be reached now. */
export interface TestLinks {
  answers: Map<string, (request: HttpRequest) => Promise<HttpResponse>>
  /** Packets to these origins vanish. */
  readonly down: Set<string>
  readonly requests: string[]
  worldOf(world: World): World
}

export function createLinks(): TestLinks {
  const links: TestLinks = {
    answers: new Map(),
    down: new Set(),
    requests: [],
    worldOf: (world) => ({
      ...world,
      net: {
        ...world.net,
        async request(request) {
          const { origin, pathname } = new URL(request.url)
          links.requests.push(`${request.method} ${pathname}`)
          const answer = links.answers.get(origin)
          if (answer === undefined || links.down.has(origin)) {
            await world.timers.sleep(request.deadlineMs, request.signal).catch(() => undefined)
            throw new NetworkError(request.signal?.aborted === true ? 'aborted' : 'timeout', `${request.method} ${origin}: nobody answers`)
          }
          const response = await answer(request)
          // Answers that were under way when the link went down are lost too.
          if (links.down.has(origin)) throw new NetworkError('reset', `${request.method} ${origin}: reset`)
          return response
        },
      },
    }),
  }
  return links
}

export interface GeoFixture extends AssociationParts {
  readonly world: World
  addPeer(columns?: Partial<SystemPeerColumns>): Promise<SystemPeerRow>
  addGroup(columns?: Partial<PeerGroupColumns>): Promise<PeerGroupRow>
  addAssociation(group: PeerGroupRow, peer: SystemPeerRow, columns?: Partial<AssociationRow>): Promise<AssociationRow>
  /** Members `edge-<n>` of the group, complete and managed, with documents. */
  addMembers(peerGroupId: number, count: number, columns?: Partial<Omit<SubcloudTable, 'id'>>): Promise<void>
  /** `status: message` of an association. */
  status(associationId: number): Promise<string>
}

let fixtures = 0

/** One controller's database and clients, without API and loops. */
export async function openGeoFixture(
  world: World,
  database: Database<Schema>,
  system: { readonly uuid: string; readonly name: string } = here,
): Promise<GeoFixture> {
  const files = new Map<string, Uint8Array>()
  const disk = {
    ...world.files,
    read: async (path: string) => files.get(path),
    write: async (path: string, data: string | Uint8Array) => void files.set(path, Buffer.from(data)),
    mode: async () => 0o600,
  }
  const keyring = await openKeyring({ ...world, files: disk }, '/keys.json')
  const bus = await openBus('in-process:', { world, name: 'test' })
  const site = {
    world,
    bus,
    keyring,
    processId: `geo-${++fixtures}`,
    config: { varFolder: '/nonexistent', services: ['dcmanager'] },
  } as unknown as Site
  const facts = { ownSystem: async () => system }
  const at = timestamp(world.clock.nowMs())
  return {
    world,
    site,
    database,
    facts,
    peers: createPeers(site, facts),
    addPeer: (columns) =>
      insertSystemPeer(database, world, {
        peer_uuid: away.uuid,
        peer_name: away.name,
        manager_endpoint: `${away.origin}/v3`,
        manager_username: 'admin',
        manager_password: keyring.seal(new Secret('Peer1!'), peerSecretContext(columns?.peer_uuid ?? away.uuid, 'password')),
        peer_controller_gateway_ip: '203.0.113.254',
        administrative_state: 'enabled',
        heartbeat_interval: 10,
        heartbeat_failure_threshold: 3,
        heartbeat_failure_policy: 'alarm',
        heartbeat_maintenance_timeout: 600,
        rehome_sysadmin_password: null,
        ...columns,
      }),
    addGroup: (columns) =>
      insertPeerGroup(database, world, {
        peer_group_name: 'spg-a',
        group_priority: 0,
        group_state: 'enabled',
        max_subcloud_rehoming: 10,
        system_leader_id: system.uuid,
        system_leader_name: system.name,
        migration_status: null,
        ...columns,
      }),
    async addAssociation(group, peer, columns) {
      const made = await insertAssociation(database, world, {
        peer_group_id: group.id,
        system_peer_id: peer.id,
        association_type: group.group_priority === 0 ? 'primary' : 'non-primary',
        peer_group_priority: group.group_priority === 0 ? 1 : null,
      })
      if (columns !== undefined) await database.query.updateTable('peer_group_association').set(columns).where('id', '=', made.id).execute()
      return { ...made, ...columns }
    },
    async addMembers(peerGroupId, count, columns = {}) {
      const last = await database.query.selectFrom('subclouds').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
      const numbers = Array.from({ length: count }, (_, index) => (last?.id ?? 0) + index + 1)
      await bulkInsert(
        database,
        'subclouds',
        numbers.map((n) => ({
          name: `edge-${n}`,
          description: `plant ${n}`,
          location: null,
          software_version: '26.09',
          management_state: 'managed',
          availability_status: 'online',
          deploy_status: 'complete',
          error_description: 'No errors present',
          region_name: n.toString(16).padStart(32, '0'),
          management_subnet: '198.51.100.0/24',
          management_gateway_ip: '198.51.100.1',
          management_start_ip: '198.51.100.2',
          management_end_ip: '198.51.100.30',
          systemcontroller_gateway_ip: '203.0.113.1',
          bootstrap_address: '192.0.2.77',
          group_id: 1,
          peer_group_id: peerGroupId,
          revision: 1,
          document_revision: 1,
          created_at: at,
          ...columns,
        })),
      )
      const rows = await database.query.selectFrom('subclouds').select(['id', 'name']).where('peer_group_id', '=', peerGroupId).execute()
      await bulkInsert(
        database,
        'subcloud_audits',
        rows.map(({ id }) => ({ subcloud_id: id, next_audit_at: at })),
      )
      await bulkInsert(
        database,
        'subcloud_status',
        rows.flatMap(({ id }) =>
          endpointTypes.map((type) => ({ subcloud_id: id, endpoint_type: type, sync_status: 'in-sync', created_at: at, updated_at: null })),
        ),
      )
      // One document serves many: sealing is what takes time here.
      for (const { id, name } of rows.slice(0, 100))
        await writeDocuments(database, world, keyring, id, {
          bootstrap_values: { name, systemcontroller_gateway_address: '203.0.113.1', admin_password: 'Adm1n!' },
          install_values: { bmc_address: '192.0.2.9', bmc_password: 'Qm1jIQ==' },
        })
    },
    async status(associationId) {
      const record = await readAssociation(database, associationId)
      if (record === undefined) return 'gone'
      const { status, message } = statusOf(record)
      return message === null ? status : `${status}: ${message}`
    },
  }
}
