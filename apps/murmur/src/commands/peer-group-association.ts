import type { AssociationBody, PeerGroupBody, SystemPeerBody } from '../api/types.ts'
import type { Connection } from '../api/connection.ts'
import { Unreachable } from '../api/unreachable.ts'
import { CommandFailed, exitCodes } from '../exit.ts'
import { confirm, tell } from '../terminal.ts'
import { connection, countOf, printList, printShow, segmentOf, timeoutMsOf, watching, type CommonOptions, type Context } from './context.ts'
import { pathOf as groupPathOf } from './peer-group.ts'

export interface AssociationOptions extends CommonOptions {
  readonly peerGroup?: string
  readonly systemPeer?: string
  readonly peerGroupPriority?: string
}

/** A thousand subclouds are sent in less; `--timeout` says otherwise. */
const syncTimeoutSeconds = 1_800

/** An API that is started again is back sooner; the sync does not depend on it. */
const longestSilenceMs = 60_000

function pathOf(id: string, verb?: string): string {
  if (!/^[0-9]+$/.test(id))
    throw new CommandFailed(exitCodes.usage, `${id}: associations have numbers.`, 'murmur peer-group-association list')
  return `/peer-group-associations/${id}${verb === undefined ? '' : `/${verb}`}`
}

const fieldsOf = (association: AssociationBody) => ({
  id: association.id,
  'peer group id': association['peer-group-id'],
  'system peer id': association['system-peer-id'],
  type: association['association-type'],
  'sync status': association['sync-status'],
  'peer group priority': association['peer-group-priority'],
  'sync message': association['sync-message'] ?? null,
  created_at: association['created-at'],
  updated_at: association['updated-at'],
})

/** Names are looked up: the API takes numbers only. */
export async function add(context: Context, options: AssociationOptions): Promise<void> {
  const priority = options.peerGroupPriority === undefined ? undefined : countOf('--peer-group-priority', options.peerGroupPriority)
  timeoutMsOf(options, syncTimeoutSeconds)
  const [groupPath, peerPath] = [groupPathOf(options.peerGroup!), `/system-peers/${segmentOf(options.systemPeer!)}`]
  const api = await connection(context)
  const group = await api.request<PeerGroupBody>('GET', groupPath)
  const peer = await api.request<SystemPeerBody>('GET', peerPath)
  const json = {
    peer_group_id: group.id,
    system_peer_id: peer.id,
    ...(priority === undefined ? {} : { peer_group_priority: priority }),
  }
  const added = await api.request<AssociationBody>('POST', '/peer-group-associations', { json })
  await finish(context, api, added, options)
}

export async function list(context: Context, options: CommonOptions): Promise<void> {
  const api = await connection(context)
  await watching(context, options, async () => {
    const { peer_group_associations: found } = await api.request<{ peer_group_associations: AssociationBody[] }>(
      'GET',
      '/peer-group-associations',
    )
    const columns = ['id', 'peer group id', 'system peer id', 'type', 'sync status', 'peer group priority']
    printList(columns, found.map(fieldsOf), options)
  })
}

export async function show(context: Context, id: string, options: CommonOptions): Promise<void> {
  const path = pathOf(id)
  const api = await connection(context)
  await watching(context, options, async () => printShow(fieldsOf(await api.request<AssociationBody>('GET', path)), options))
}

export async function update(context: Context, id: string, options: AssociationOptions): Promise<void> {
  const path = pathOf(id)
  const json = { peer_group_priority: countOf('--peer-group-priority', options.peerGroupPriority!) }
  const api = await connection(context)
  printShow(fieldsOf(await api.request<AssociationBody>('PATCH', path, { json })), options)
}

export async function sync(context: Context, id: string, options: CommonOptions): Promise<void> {
  const path = pathOf(id, 'sync')
  timeoutMsOf(options, syncTimeoutSeconds)
  const api = await connection(context)
  await finish(context, api, await api.request<AssociationBody>('PATCH', path), options)
}

export async function remove(context: Context, id: string, options: CommonOptions): Promise<void> {
  const path = pathOf(id)
  await confirm(`Delete association ${id}, and on its owning site the copies at the peer?`, options.yes === true)
  const api = await connection(context)
  await api.request('DELETE', path, { onMessage: (message) => tell(message) })
  tell(`Peer group association ${id} is deleted.`)
}

/** With `--wait` until the sync has ended, also while the API is started again; a failed one ends the command with 1. */
async function finish(context: Context, api: Connection, begun: AssociationBody, options: CommonOptions): Promise<void> {
  const { clock, timers } = context.world
  const deadlineMs = clock.monotonicMs() + timeoutMsOf(options, syncTimeoutSeconds)
  let association = begun
  let heardAtMs = clock.monotonicMs()
  while (options.wait === true && association['sync-status'] === 'syncing') {
    if (clock.monotonicMs() >= deadlineMs)
      throw new CommandFailed(
        exitCodes.waitTimeout,
        'The sync has not ended in time; it goes on.',
        `murmur peer-group-association show ${begun.id}`,
      )
    await timers.sleep(500)
    try {
      association = await api.request<AssociationBody>('GET', pathOf(String(begun.id)))
      heardAtMs = clock.monotonicMs()
    } catch (error) {
      if (!(error instanceof Unreachable) || clock.monotonicMs() - heardAtMs >= longestSilenceMs) throw error
    }
  }
  printShow(fieldsOf(association), options)
  if (options.wait === true && association['sync-status'] === 'failed')
    throw new CommandFailed(exitCodes.refused, `The sync failed: ${association['sync-message'] ?? 'no reason was recorded'}`)
}
