import type { PeerGroupBody, PeerGroupStatusBody, SubcloudBody } from '../api/types.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { confirm, tell } from '../terminal.ts'
import { connection, countOf, printList, printShow, segmentOf, watching, type CommonOptions, type Context } from './context.ts'
import { listColumns as subcloudColumns, listRow as subcloudRow } from './subcloud-view.ts'
import { advise } from './sync-advice.ts'

export interface PeerGroupOptions extends CommonOptions {
  readonly peerGroupName?: string
  readonly groupState?: string
  readonly maxSubcloudRehoming?: string
}

export const pathOf = (ref: string, verb?: string): string =>
  `/subcloud-peer-groups/${segmentOf(ref)}${verb === undefined ? '' : `/${verb}`}`

/** The field's own client has `peer_group_name` and `system_leader_name` here too. */
export const listColumns = ['id', 'peer group name', 'group priority', 'group state', 'system leader name', 'migration status']
export const listRow = (group: PeerGroupBody) => ({
  id: group.id,
  'peer group name': group.peer_group_name,
  'group priority': group.group_priority,
  'group state': group.group_state,
  'system leader id': group.system_leader_id,
  'system leader name': group.system_leader_name,
  'max subcloud rehoming': group.max_subcloud_rehoming,
  'migration status': group.migration_status,
  created_at: group['created-at'],
  updated_at: group['updated-at'],
})

function bodyOf(options: PeerGroupOptions): Record<string, string | number> {
  const named = {
    'peer-group-name': options.peerGroupName,
    'group-state': options.groupState,
    'max-subcloud-rehoming':
      options.maxSubcloudRehoming === undefined ? undefined : countOf('--max-subcloud-rehoming', options.maxSubcloudRehoming),
  }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Record<string, string | number>
}

export async function add(context: Context, options: PeerGroupOptions): Promise<void> {
  const json = bodyOf(options)
  const api = await connection(context)
  printShow(listRow(await api.request<PeerGroupBody>('POST', '/subcloud-peer-groups', { json })), options)
}

export async function list(context: Context, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { subcloud_peer_groups: groups } = await api.request<{ subcloud_peer_groups: PeerGroupBody[] }>('GET', '/subcloud-peer-groups')
  printList(listColumns, groups.map(listRow), options)
}

export async function show(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  printShow(listRow(await api.request<PeerGroupBody>('GET', pathOf(ref))), options)
}

export async function update(context: Context, ref: string, options: PeerGroupOptions): Promise<void> {
  const path = pathOf(ref)
  const json = bodyOf(options)
  if (Object.keys(json).length === 0) throw new CommandFailed(exitCodes.usage, 'Nothing to change was named.')
  const api = await connection(context)
  const group = await api.request<PeerGroupBody>('PATCH', path, { json })
  advise(group)
  printShow(listRow(group), options)
}

export async function remove(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const path = pathOf(ref)
  await confirm(`Delete peer group ${ref}?`, options.yes === true)
  const api = await connection(context)
  await api.request('DELETE', path)
  tell(`Peer group ${ref} is deleted.`)
}

export async function status(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    const group = await api.request<PeerGroupBody>('GET', pathOf(ref))
    const counts = await api.request<PeerGroupStatusBody>('GET', pathOf(ref, 'status'))
    const { migration, ...members } = counts as PeerGroupStatusBody & { migration?: Record<string, number | string | null> }
    // Its status is the group's, which stands below.
    const { status: _told, ...states } = migration ?? {}
    const progress = Object.fromEntries(Object.entries(states).map(([name, value]) => [`migration ${name}`, value]))
    printShow({ ...members, ...progress, migration_status: group.migration_status, system_leader_name: group.system_leader_name }, options)
  })
}

export async function listSubclouds(context: Context, ref: string, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  const { subclouds } = await api.request<{ subclouds: SubcloudBody[] }>('GET', pathOf(ref, 'subclouds'))
  printList(subcloudColumns, subclouds.map(subcloudRow), options)
}
