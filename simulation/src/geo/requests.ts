import { base64 } from '../fleet/secrets.ts'
import { oamOf } from '../fleet/places.ts'
import type { Call } from '../operator/client.ts'
import { add, bootstrapValues, siteName } from '../operator/requests.ts'
import { heartbeatSeconds, heartbeatThreshold, peerPassword, peerUser, placeOf, type ControllerName } from './places.ts'

/* Requests of geo-redundancy, as operators send them; each knows what it promises when it is accepted. */

export const maintenanceSeconds = 300

export const addSite = (site: number, at: ControllerName): Call =>
  add(site, siteName(site), false, { install: false, config: false }, placeOf(at).gateway)

export const addPeer = (peer: ControllerName, options: { uuid?: string; generation?: number; threshold?: number } = {}): Call => {
  const { uuid, address, gateway } = placeOf(peer)
  return {
    method: 'POST',
    path: '/system-peers',
    body: {
      peer_uuid: options.uuid ?? uuid,
      peer_name: peer,
      manager_endpoint: `http://${address}:5000`,
      manager_username: peerUser,
      manager_password: base64(peerPassword(peer, options.generation ?? 1)),
      peer_controller_gateway_address: gateway,
      heartbeat_interval: heartbeatSeconds,
      heartbeat_failure_threshold: options.threshold ?? heartbeatThreshold,
    },
    promised: { what: `peer ${peer}` },
  }
}

export const changePeer = (peer: ControllerName, changes: Readonly<Record<string, unknown>>): Call => ({
  method: 'PATCH',
  path: `/system-peers/${peer}`,
  body: changes,
  promised: { what: `peer ${peer} gets another ${Object.keys(changes).join(', ')}` },
})

export const tellPassword = (peer: ControllerName, generation: number): Call =>
  changePeer(peer, { manager_password: base64(peerPassword(peer, generation)) })

/** Policy `rehome`, as early as it is allowed. */
export const takesOver = (peer: ControllerName): Call =>
  changePeer(peer, {
    heartbeat_failure_policy: 'rehome',
    heartbeat_maintenance_timeout: maintenanceSeconds,
    rehome_sysadmin_password: sysadminPassword(),
  })

export const removePeer = (peer: ControllerName): Call => ({
  method: 'DELETE',
  path: `/system-peers/${peer}`,
  promised: { what: `remove peer ${peer}` },
})

export const addPeerGroup = (name: string): Call => ({
  method: 'POST',
  path: '/subcloud-peer-groups',
  body: { 'peer-group-name': name, 'max-subcloud-rehoming': 2 },
  promised: { what: `peer group ${name}` },
})

export const changePeerGroup = (name: string, changes: Readonly<Record<string, unknown>>): Call => ({
  method: 'PATCH',
  path: `/subcloud-peer-groups/${name}`,
  body: changes,
  promised: { what: `peer group ${name}: ${JSON.stringify(changes)}` },
})

export const removePeerGroup = (name: string): Call => ({
  method: 'DELETE',
  path: `/subcloud-peer-groups/${name}`,
  promised: { what: `remove peer group ${name}` },
})

export const sysadminPassword = (): string => base64('cAnArY-7Hq2-sysadmin-*1aA')

export const migrate = (group: string, dryRun = false): Call => ({
  method: 'PATCH',
  path: `/subcloud-peer-groups/${group}/migrate${dryRun ? '?dry-run=true' : ''}`,
  body: { sysadmin_password: sysadminPassword() },
  promised: { what: dryRun ? `what a migrate of ${group} would do` : `migrate ${group}`, ...(dryRun ? {} : { job: true as const }) },
})

export const groupStatus = (group: string): Call => ({ method: 'GET', path: `/subcloud-peer-groups/${group}/status` })

export const associate = (groupId: number, peerId: number, priority: number | undefined): Call => ({
  method: 'POST',
  path: '/peer-group-associations',
  body: { peer_group_id: groupId, system_peer_id: peerId, ...(priority === undefined ? {} : { peer_group_priority: priority }) },
  promised: { what: `associate group ${groupId} with peer ${peerId}`, ...(priority === undefined ? {} : { job: true as const }) },
})

export const synchronise = (association: number): Call => ({
  method: 'PATCH',
  path: `/peer-group-associations/${association}/sync`,
  promised: { what: `sync association ${association}` },
})

export const dissociate = (association: number): Call => ({
  method: 'DELETE',
  path: `/peer-group-associations/${association}`,
  promised: { what: `delete association ${association}` },
})

export const associations = (): Call => ({ method: 'GET', path: '/peer-group-associations' })
export const association = (id: number): Call => ({ method: 'GET', path: `/peer-group-associations/${id}` })
export const peers = (): Call => ({ method: 'GET', path: '/system-peers' })
export const peerGroup = (name: string): Call => ({ method: 'GET', path: `/subcloud-peer-groups/${name}` })

export const join = (id: number, group: string): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { peer_group: group },
  promised: { what: `join ${group}` },
})

/** What a standby needs to take the subcloud over: the values anew, and where its host is reached. */
export const rehomeData = (id: number, site: number, at: ControllerName): Call => ({
  method: 'PATCH',
  path: `/subclouds/${id}`,
  body: { bootstrap_values: bootstrapValues(site, siteName(site), 0, placeOf(at).gateway), bootstrap_address: oamOf(site).floating },
  promised: { what: 'rehome data' },
})

/** A request about what may be a member of a peer group, so that the checks know where it is to be refused. */
export const ofMember = (call: Call, id: number, at: ControllerName, allowed: 'where-led' | 'nowhere' = 'where-led'): Call =>
  call.promised === undefined ? call : { ...call, promised: { ...call.promised, member: { id, system: placeOf(at).uuid, allowed } } }

/** From an archive at the site, with its address: nothing but what the subcloud is here can be a reason against it. */
export const restoreLocally = (id: number, site: number): Call => ({
  method: 'PATCH',
  path: '/subcloud-backup/restore',
  body: {
    subcloud: String(id),
    sysadmin_password: sysadminPassword(),
    local_only: 'true',
    restore_values: JSON.stringify({ bootstrap_address: { [siteName(site)]: oamOf(site).floating } }),
  },
  promised: { what: 'restore', job: true, change: { id, fields: { 'deploy-status': 'pre-restore' } } },
})
