import type { TestContext } from 'node:test'
import { timestamp } from '@murmuration/data'
import type { ApiContext } from '../api/context.ts'
import type { DeployStatus } from '../rules/lifecycle.ts'
import type { PushPeerGroup } from '../work/peer-ports.ts'
import { apiBench, base64, type ApiBench } from './api-bench.ts'

export const localUuid = '0f0c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e'
export const peerUuid = '9b8c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e'
export const peerPassword = 'Peer*very-secret'
/** The account that the record of the peer names, as the fake tokens spell user names. */
export const peerToken = 'admin@services'
const peerAccount = `user-${peerToken}`

export const peerBody = {
  peer_uuid: peerUuid,
  peer_name: 'dc-madrid',
  manager_endpoint: 'https://198.51.100.250:5000/v3',
  manager_username: peerAccount,
  manager_password: base64(peerPassword),
  peer_controller_gateway_address: '203.0.113.254',
}

export interface GeoBench extends ApiBench {
  /** Groups that were pushed to peers. */
  readonly pushed: Parameters<PushPeerGroup>[]
  readonly audited: Parameters<ApiContext['auditPeerGroup']>[]
  /** As the dcmanager of the peer. */
  readonly asPeer: ApiBench['call']
  /** Answers of peers to pushes, in turn; those that are not told succeed. */
  readonly pushFailures: string[]
  readonly addPeer: () => Promise<number>
  readonly addGroup: (name: string, more?: Readonly<Record<string, unknown>>) => Promise<number>
  /** Associated, with whatever job it began at an end that went well. */
  readonly associate: (peerGroupId: number, systemPeerId: number, priority?: number) => Promise<number>
  readonly endJobs: () => Promise<void>
  /** A complete, managed, online subcloud, or one in another state. */
  readonly addReady: (n: number, state?: { deployStatus?: DeployStatus; managed?: boolean; online?: boolean }) => Promise<number>
  readonly setAvailability: (state: 'created' | 'available' | 'unavailable') => Promise<void>
}

/** The application with a system peer that is a fake: what would cross is recorded. */
export async function geoBench(
  t: TestContext,
  more: Partial<ApiContext> = {},
  system = { uuid: localUuid, name: 'dc-lisbon' },
): Promise<GeoBench> {
  const pushed: Parameters<PushPeerGroup>[] = []
  const audited: Parameters<ApiContext['auditPeerGroup']>[] = []
  const pushFailures: string[] = []
  const bench = await apiBench(t, {
    context: {
      pushPeerGroup: async (...call) => {
        pushed.push(call)
        return call[2].map(({ peer_name: peerName }) => {
          const failure = pushFailures.shift()
          return failure === undefined ? { peerName } : { peerName, failure }
        })
      },
      auditPeerGroup: async (...call) => {
        audited.push(call)
        return null
      },
      ...more,
    },
    system,
  })
  const { database } = bench
  const require200 = (answer: { status: number; text: string; json: { id: number } }): number => {
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.json.id
  }
  const geo: GeoBench = {
    ...bench,
    pushed,
    audited,
    pushFailures,
    asPeer: (method, url, options = {}) =>
      bench.call(method, url, { token: peerToken, ...options, headers: { 'user-agent': 'dcmanager/1.0', ...options.headers } }),
    addPeer: async () => require200(await bench.call('POST', '/v1.0/system-peers', { json: peerBody })),
    addGroup: async (name, members = {}) =>
      require200(await bench.call('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': name, ...members } })),
    async associate(peerGroupId, systemPeerId, priority) {
      const json = { peer_group_id: peerGroupId, system_peer_id: systemPeerId, peer_group_priority: priority }
      const id = require200(await bench.call('POST', '/v1.0/peer-group-associations', { json }))
      await geo.endJobs()
      return id
    },
    async endJobs() {
      const jobs = await database.query
        .selectFrom('jobs')
        .select('subject')
        .where('kind', '=', 'association.sync')
        .where('state', '=', 'queued')
        .execute()
      await database.query.updateTable('jobs').set({ state: 'done', exclusive_key: null }).where('state', '=', 'queued').execute()
      for (const { subject } of jobs) {
        const association = await database.query
          .selectFrom('peer_group_association')
          .innerJoin('subcloud_peer_group', 'subcloud_peer_group.id', 'peer_group_association.peer_group_id')
          .select(['peer_group_association.id', 'subcloud_peer_group.revision'])
          .where('peer_group_association.id', '=', Number(subject.split(':')[1]))
          .executeTakeFirst()
        if (association !== undefined)
          await database.query
            .updateTable('peer_group_association')
            .set({ synced_revision: association.revision })
            .where('id', '=', association.id)
            .execute()
      }
    },
    async addReady(n, { deployStatus = 'complete', managed = true, online = true } = {}) {
      const id = require200(await bench.add(n))
      await geo.endJobs()
      await database.query
        .updateTable('subclouds')
        .set({
          deploy_status: deployStatus,
          management_state: managed ? 'managed' : 'unmanaged',
          availability_status: online ? 'online' : 'offline',
          updated_at: timestamp(bench.site.world.clock.nowMs()),
        })
        .where('id', '=', id)
        .execute()
      return id
    },
    async setAvailability(state) {
      await database.query.updateTable('system_peer').set({ availability_state: state }).execute()
    },
  }
  return geo
}
