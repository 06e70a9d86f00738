import type { PeerGroupBody, SystemPeerBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { askSecret, confirm, tell } from '../terminal.ts'
import { connection, countOf, printList, printShow, segmentOf, watching, type CommonOptions, type Context } from './context.ts'
import { listColumns as groupColumns, listRow as groupRow } from './peer-group.ts'
import { encoded } from './subcloud.ts'
import { advise } from './sync-advice.ts'

export interface SystemPeerOptions extends CommonOptions {
  readonly peerUuid?: string
  readonly peerName?: string
  readonly managerEndpoint?: string
  readonly managerUsername?: string
  readonly managerPassword?: boolean
  readonly peerControllerGatewayAddress?: string
  readonly administrativeState?: string
  readonly heartbeatInterval?: string
  readonly heartbeatFailureThreshold?: string
  readonly heartbeatFailurePolicy?: string
  readonly heartbeatMaintenanceTimeout?: string
  /** false: forget it. */
  readonly rehomePassword?: boolean
}

const pathOf = (ref: string): string => `/system-peers/${segmentOf(ref)}`

const fieldsOf = (peer: SystemPeerBody) => ({
  id: peer.id,
  'peer uuid': peer['peer-uuid'],
  'peer name': peer['peer-name'],
  'manager endpoint': peer['manager-endpoint'],
  'manager username': peer['manager-username'],
  'controller gateway address': peer['peer-controller-gateway-address'],
  'administrative state': peer['administrative-state'],
  'heartbeat interval': peer['heartbeat-interval'],
  'heartbeat failure threshold': peer['heartbeat-failure-threshold'],
  'heartbeat failure policy': peer['heartbeat-failure-policy'],
  'heartbeat maintenance timeout': peer['heartbeat-maintenance-timeout'],
  'availability state': peer['availability-state'],
  'last heard at': peer['last-heard-at'] ?? null,
  'failure reason': peer['failure-reason'] ?? null,
  takeover: peer['takeover-state'] ?? null,
  'takeover reason': peer['takeover-reason'] ?? null,
  created_at: peer['created-at'],
  updated_at: peer['updated-at'],
})

/** What was named; mistakes of the call are told before a password is asked for. */
async function bodyOf(options: SystemPeerOptions, asksPassword: boolean): Promise<Record<string, string | number>> {
  const count = (option: string, text: string | undefined): number | undefined => (text === undefined ? undefined : countOf(option, text))
  const named = {
    peer_uuid: options.peerUuid,
    peer_name: options.peerName,
    manager_endpoint: options.managerEndpoint,
    manager_username: options.managerUsername,
    peer_controller_gateway_address: options.peerControllerGatewayAddress,
    administrative_state: options.administrativeState,
    heartbeat_interval: count('--heartbeat-interval', options.heartbeatInterval),
    heartbeat_failure_threshold: count('--heartbeat-failure-threshold', options.heartbeatFailureThreshold),
    heartbeat_failure_policy: options.heartbeatFailurePolicy,
    heartbeat_maintenance_timeout: count('--heartbeat-maintenance-timeout', options.heartbeatMaintenanceTimeout),
  }
  const body = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Record<string, string | number>
  if (asksPassword)
    body['manager_password'] = encoded((await askSecret('Password of the account at the peer', 'MURMUR_PEER_PASSWORD')).reveal())
  if (options.rehomePassword === true)
    body['rehome_sysadmin_password'] = encoded(
      (await askSecret('Password of the subcloud account sysadmin for takeovers', 'MURMUR_REHOME_PASSWORD')).reveal(),
    )
  else if (options.rehomePassword === false) body['rehome_sysadmin_password'] = ''
  return body
}

const needed = [
  ['--peer-uuid', 'peerUuid'],
  ['--peer-name', 'peerName'],
  ['--manager-endpoint', 'managerEndpoint'],
  ['--manager-username', 'managerUsername'],
  ['--peer-controller-gateway-address', 'peerControllerGatewayAddress'],
] as const

export async function add(context: Context, options: SystemPeerOptions): Promise<void> {
  const missing = needed.filter(([, option]) => options[option] === undefined).map(([name]) => name)
  if (missing.length > 0) throw new CommandFailed(exitCodes.usage, `Missing: ${missing.join(', ')}.`, 'murmur system-peer add --help')
  const json = await bodyOf(options, true)
  const api = await connection(context)
  const peer = await api.request<SystemPeerBody>('POST', '/system-peers', { json })
  advise(peer)
  printShow(fieldsOf(peer), options)
}

export async function list(context: Context, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { system_peers: peers } = await api.request<{ system_peers: SystemPeerBody[] }>('GET', '/system-peers')
  const columns = ['id', 'peer uuid', 'peer name', 'manager endpoint', 'controller gateway address', 'availability state']
  printList(columns, peers.map(fieldsOf), options)
}

export async function show(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => printShow(fieldsOf(await api.request<SystemPeerBody>('GET', pathOf(ref))), options))
}

export async function update(context: Context, ref: string, options: SystemPeerOptions): Promise<void> {
  const path = pathOf(ref)
  const json = await bodyOf(options, options.managerPassword === true)
  if (Object.keys(json).length === 0) throw new CommandFailed(exitCodes.usage, 'Nothing to change was named.')
  const api = await connection(context)
  const peer = await api.request<SystemPeerBody>('PATCH', path, { json })
  advise(peer)
  printShow(fieldsOf(peer), options)
}

export async function remove(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const path = pathOf(ref)
  await confirm(`Delete system peer ${ref}?`, options.yes === true)
  const api = await connection(context)
  await api.request('DELETE', path)
  tell(`System peer ${ref} is deleted.`)
}

export async function listPeerGroups(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { subcloud_peer_groups: groups } = await api.request<{ subcloud_peer_groups: PeerGroupBody[] }>(
    'GET',
    `${pathOf(ref)}/subcloud-peer-groups`,
  )
  printList(groupColumns, groups.map(groupRow), options)
}
