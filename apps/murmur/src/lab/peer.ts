import { connect, type Connection } from '../api/connection.ts'
import { parseOpenrc } from '../api/openrc.ts'
import type { AssociationBody, PeerGroupBody, SubcloudBody, SystemPeerBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import type { Bringing } from './deploy.ts'
import { controllerName, numberOf, peerName, type ControllerNetworks, type LabControllerName } from './layout.ts'

/** The lab while its two controllers are made to know each other. */
export interface Pairing extends Bringing {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly peerApi: Connection
  /** Subclouds that the first controller manages. */
  readonly members: readonly string[]
}

const groupName = 'lab'
const heartbeat = { heartbeat_interval: 10, heartbeat_failure_threshold: 3 }
const pollMs = 500
const inSyncTimeoutMs = 3 * 60_000

/**
 * What an operator does for geo-redundancy, in the same order: each controller is told of the other, the subclouds join a peer
 * group, the group is associated with the peer and synced. Ends when both sites say `in-sync`; what is there already stays.
 */
export async function pairUp(lab: Pairing): Promise<void> {
  const { api, peerApi, networks, say } = lab
  const there = await ensurePeer(lab, api, peerName, networks.peer)
  await ensurePeer(lab, peerApi, controllerName, networks.controller)
  const group = await ensureGroup(api)
  if (group.group_priority !== 0 || (await find(peerApi, groupName))?.system_leader_name === peerName) {
    say(`peer group ${groupName}: led by ${group.system_leader_name}; murmur peer-group migrate ${groupName} brings it back`)
    return
  }
  for (const name of lab.members) await ensureMember(lab, name, group)
  const association = await ensureAssociation(lab, group, there)
  await untilInSync(lab, association.id)
}

/** The other controller as this one's system peer. */
async function ensurePeer(lab: Pairing, at: Connection, name: LabControllerName, of: ControllerNetworks): Promise<SystemPeerBody> {
  const { system_peers: peers } = await at.request<{ system_peers: SystemPeerBody[] }>('GET', '/system-peers')
  const known = peers.find((peer) => peer['peer-name'] === name)
  if (known !== undefined) return known
  const openrc = parseOpenrc(Buffer.from((await lab.world.files.read(lab.paths.siteOpenrc(name))) ?? '').toString('utf8'))
  const platform = await connect(lab.world, { ...lab.environment, ...openrc }, 'platform')
  const { isystems } = await platform.request<{ isystems: { uuid: string }[] }>('GET', '/isystems')
  const made = await at.request<SystemPeerBody>('POST', '/system-peers', {
    json: {
      peer_uuid: isystems[0]!.uuid,
      peer_name: name,
      manager_endpoint: openrc['OS_AUTH_URL'],
      manager_username: openrc['OS_USERNAME'],
      manager_password: Buffer.from(openrc['OS_PASSWORD'] ?? '').toString('base64'),
      peer_controller_gateway_address: of.management.gateway,
      ...heartbeat,
    },
  })
  lab.say(`system peer ${name}: added at ${name === peerName ? controllerName : peerName}`)
  return made
}

async function find(at: Connection, name: string): Promise<PeerGroupBody | undefined> {
  const { subcloud_peer_groups: groups } = await at.request<{ subcloud_peer_groups: PeerGroupBody[] }>('GET', '/subcloud-peer-groups')
  return groups.find((group) => group.peer_group_name === name)
}

const ensureGroup = async (at: Connection): Promise<PeerGroupBody> =>
  (await find(at, groupName)) ??
  (await at.request<PeerGroupBody>('POST', '/subcloud-peer-groups', { json: { 'peer-group-name': groupName } }))

/** With the values that it was added with: the peer needs them to bring it home. */
async function ensureMember(lab: Pairing, name: string, group: PeerGroupBody): Promise<void> {
  const { subclouds } = await lab.api.request<{ subclouds: SubcloudBody[] }>('GET', '/subclouds')
  if (subclouds.find((subcloud) => subcloud.name === name)?.peer_group_id === group.id) return
  const values = (await lab.world.files.read(lab.paths.values(name))) ?? new Uint8Array()
  await lab.api.request('PATCH', `/subclouds/${name}`, {
    fields: { peer_group: String(group.id), bootstrap_address: lab.networks.subcloud(numberOf(name)!).bootstrapAddress },
    files: [{ name: 'bootstrap_values', fileName: `${name}.yaml`, data: values }],
  })
  lab.say(`${name}: joined peer group ${groupName}`)
}

async function ensureAssociation(lab: Pairing, group: PeerGroupBody, peer: SystemPeerBody): Promise<AssociationBody> {
  const associations = await associationsAt(lab.api)
  const known = associations.find((one) => one['peer-group-id'] === group.id && one['system-peer-id'] === peer.id)
  if (known !== undefined) {
    if (known['sync-status'] !== 'in-sync') await lab.api.request('PATCH', `/peer-group-associations/${known.id}/sync`)
    return known
  }
  return lab.api.request('POST', '/peer-group-associations', {
    json: { peer_group_id: group.id, system_peer_id: peer.id, peer_group_priority: 1 },
  })
}

const associationsAt = async (at: Connection): Promise<AssociationBody[]> =>
  (await at.request<{ peer_group_associations: AssociationBody[] }>('GET', '/peer-group-associations')).peer_group_associations

async function untilInSync(lab: Pairing, id: number): Promise<void> {
  const { world, api, peerApi, say } = lab
  const deadlineMs = world.clock.monotonicMs() + inSyncTimeoutMs
  let said = ''
  for (;;) {
    const here = await api.request<AssociationBody>('GET', `/peer-group-associations/${id}`)
    const there = await associationsAt(peerApi)
    const statuses = [here['sync-status'], ...there.map((one) => one['sync-status'])]
    const line = `peer group ${groupName}: ${here['sync-status']} here, ${there.map((one) => one['sync-status']).join(', ') || 'not known'} there`
    if (line !== said) say(line)
    said = line
    if (statuses.length > 1 && statuses.every((status) => status === 'in-sync')) return
    if (world.clock.monotonicMs() > deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        `The association of peer group ${groupName} is still ${here['sync-status']}: ${here['sync-message'] ?? 'no message'}`,
        `murmur peer-group-association sync ${id}`,
      )
    await world.timers.sleep(pollMs, lab.signal)
  }
}
