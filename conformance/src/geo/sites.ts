import assert from 'node:assert/strict'
import {
  encoded,
  bootstrapAddressOf,
  bootstrapFile,
  sysadminPassword,
  untilAvailability,
  untilStatus,
  type Subject,
  type Subcloud,
} from '../lifecycle/cloud.ts'
import type { Answer } from '../testing/client.ts'
import { startFleet, type Fleet } from '../testing/fleet.ts'

/** On the wire (reference dcmanager §1.5). */
export interface Peer {
  readonly id: number
  readonly 'peer-name': string
  readonly 'availability-state': string
  readonly [other: string]: unknown
}

export interface PeerGroup {
  readonly id: number
  readonly peer_group_name: string
  readonly group_priority: number
  readonly max_subcloud_rehoming: number
  readonly system_leader_name: string
  readonly migration_status: string | null
  readonly [other: string]: unknown
}

export interface Association {
  readonly id: number
  readonly 'association-type': string
  readonly 'sync-status': string
  readonly 'sync-message': string | null
  readonly [other: string]: unknown
}

export const groupName = 'spg-a'
export const heartbeat = { interval: 10, threshold: 3 }
/** Detection: threshold × interval, one attempt's timeout, and what a busy machine takes. */
export const detectionMs = heartbeat.threshold * heartbeat.interval * 1_000 + 5_000 + 30_000
/** One heartbeat cycle and what it does. */
export const cycleMs = heartbeat.interval * 1_000 + 30_000

/** Two system controllers on one ground, of which the first one has the subclouds. */
export interface Pair {
  readonly site1: Fleet
  readonly site2: Fleet
  end(): Promise<void>
}

export async function startPair(): Promise<Pair> {
  const site1 = await startFleet('embedded')
  try {
    const site2 = await startFleet('embedded', { beside: site1 })
    return {
      site1,
      site2,
      async end() {
        await site2.end()
        await site1.end()
      },
    }
  } catch (error) {
    await site1.end()
    throw error
  }
}

/** The one process of an embedded controller. */
export const process = 'murmur'

export function accepted<T>(what: string, answer: Answer): T {
  assert.equal(answer.status, 200, `${what}: ${answer.status} ${answer.text}`)
  return answer.json as T
}

export async function peerAt(site: Fleet, name?: string): Promise<Peer> {
  const { system_peers: peers } = await site.dcmanager.get<{ system_peers: Peer[] }>('/v1.0/system-peers')
  const found = peers.filter((peer) => name === undefined || peer['peer-name'] === name)
  assert.equal(found.length, 1)
  return found[0]!
}

export const groupAt = (site: Fleet, group = groupName): Promise<PeerGroup> =>
  site.dcmanager.get<PeerGroup>(`/v1.0/subcloud-peer-groups/${group}`)

/** The one association of the group here. Shown by itself, since the list leaves the message out. */
export async function associationAt(site: Fleet, group = groupName): Promise<Association> {
  const { id } = await groupAt(site, group)
  const { peer_group_associations: all } = await site.dcmanager.get<{ peer_group_associations: Association[] }>(
    '/v1.0/peer-group-associations',
  )
  const found = all.filter((association) => association['peer-group-id'] === id)
  assert.equal(found.length, 1)
  return site.dcmanager.get<Association>(`/v1.0/peer-group-associations/${found[0]!.id}`)
}

export const membersAt = async (site: Fleet, group = groupName): Promise<readonly Subcloud[]> =>
  (await site.dcmanager.get<{ subclouds: Subcloud[] }>(`/v1.0/subcloud-peer-groups/${group}/subclouds`)).subclouds

export const untilPeer = (site: Fleet, state: string, timeoutMs: number, name?: string): Promise<unknown> =>
  site.until(`${site.name} finds its peer ${state}`, async () => (await peerAt(site, name))['availability-state'] === state, timeoutMs)

export const untilAssociation = (site: Fleet, status: string, timeoutMs = 60_000, group = groupName): Promise<Association> =>
  site.until(
    `the association of ${group} at ${site.name} is ${status}`,
    async () => {
      const association = await associationAt(site, group)
      if (association['sync-status'] !== status) throw new Error(`${association['sync-status']}: ${association['sync-message'] ?? ''}`)
      return association
    },
    timeoutMs,
  )

/** Active alarms of a site whose id or text names this, from its own fault management. */
export async function alarmsAt(site: Fleet, text: RegExp): Promise<readonly { severity: string; reason_text: string }[]> {
  const { alarms } = await platform<{ alarms: { severity: string; reason_text: string; alarm_id: string; entity_instance_id: string }[] }>(
    site,
    '/v1/alarms',
  )
  return alarms.filter((alarm) => text.test(`${alarm.alarm_id} ${alarm.entity_instance_id} ${alarm.reason_text}`))
}

/** A question to the site's platform service with the fleet's own token. */
export async function platform<T>(site: Fleet, path: string): Promise<T> {
  const answer = await fetch(`http://${site.address}:6385${path}`, { headers: { 'x-auth-token': await site.dcmanager.token() } })
  assert.equal(answer.status, 200, `${path} at ${site.name}`)
  return (await answer.json()) as T
}

export const systemOf = async (site: Fleet): Promise<{ uuid: string; name: string }> =>
  (await platform<{ isystems: { uuid: string; name: string }[] }>(site, '/v1/isystems')).isystems[0]!

/** What an operator tells a site of another one; `authUrl`, when there is a wire between them. */
export async function addPeer(at: Fleet, of: Fleet, authUrl = of.authUrl): Promise<void> {
  const json = {
    peer_uuid: (await systemOf(of)).uuid,
    peer_name: of.name,
    manager_endpoint: authUrl,
    manager_username: of.openrc['OS_USERNAME'],
    manager_password: encoded(of.openrc['OS_PASSWORD']!),
    peer_controller_gateway_address: of.address.replace(/\.1$/, '.254'),
    heartbeat_interval: heartbeat.interval,
    heartbeat_failure_threshold: heartbeat.threshold,
  }
  accepted(`peer ${of.name} at ${at.name}`, await at.dcmanager.send('POST', '/v1.0/system-peers', { json }))
}

/** A group of deployed subclouds, with another site that stands by for it. */
export async function addGroup(at: Fleet, standby: Fleet, name: string, subjects: readonly Subject[]): Promise<void> {
  const group = accepted<PeerGroup>(
    'group',
    await at.dcmanager.send('POST', '/v1.0/subcloud-peer-groups', { json: { 'peer-group-name': name } }),
  )
  for (const subject of subjects)
    accepted(
      `${subject.name} joins`,
      await at.dcmanager.send('PATCH', `/v1.0/subclouds/${subject.name}`, {
        form: {
          peer_group: name,
          bootstrap_values: await bootstrapFile(at, subject),
          bootstrap_address: bootstrapAddressOf(at, subject),
        },
      }),
    )
  accepted(
    'association',
    await at.dcmanager.send('POST', '/v1.0/peer-group-associations', {
      json: { peer_group_id: group.id, system_peer_id: (await peerAt(at, standby.name)).id, peer_group_priority: 1 },
    }),
  )
}

/** The common background of reference dcmanager §7.12, made as an operator makes it. */
export async function background({ site1, site2 }: Pair, subjects: readonly Subject[]): Promise<void> {
  await Promise.all(subjects.map((subject) => deploy(site1, subject)))
  await addPeer(site1, site2)
  await addPeer(site2, site1)
  await addGroup(site1, site2, groupName, subjects)
  await untilAssociation(site1, 'in-sync')
  await untilAssociation(site2, 'in-sync')
  await untilPeer(site1, 'available', cycleMs)
  await untilPeer(site2, 'available', cycleMs)
}

export async function deploy(site: Fleet, subject: Subject): Promise<void> {
  accepted(
    subject.name,
    await site.dcmanager.send('POST', '/v1.0/subclouds', {
      form: {
        bootstrap_values: await bootstrapFile(site, subject),
        'bootstrap-address': bootstrapAddressOf(site, subject),
        sysadmin_password: encoded(sysadminPassword),
      },
    }),
  )
  await untilStatus(site, subject.name, 'complete')
  await untilAvailability(site, subject.name, 'online', 60_000)
  accepted(
    `${subject.name} managed`,
    await site.dcmanager.send('PATCH', `/v1.0/subclouds/${subject.name}`, { form: { 'management-state': 'managed' } }),
  )
}
