import type { HttpResponse } from '@murmuration/world'
import type { Answer } from './answer.ts'

/** `P` of reference dcmanager §1.5, as far as a peer's copy matters here. */
export interface PeerGroupThere {
  readonly id: number
  readonly name: string
  readonly priority: number
  readonly state: 'enabled' | 'disabled'
  readonly maxSubcloudRehoming: number
  readonly leaderId: string
  readonly leaderName: string
  readonly migrationStatus: 'migrating' | 'complete' | undefined
}

/** `A`. */
export interface AssociationThere {
  readonly id: number
  readonly peerGroupId: number
  readonly systemPeerId: number
  /** What its callers read; peers may know words that we do not. */
  readonly syncStatus: string
  /** Revision of the last sync that ended well, as that copy remembers it; only peers of our kind tell. */
  readonly receivedRevision: number | undefined
}

/** `Y`. */
export interface SystemPeerThere {
  readonly id: number
  readonly uuid: string
  readonly name: string
}

/** `S`. */
export interface SubcloudThere {
  readonly id: number
  readonly name: string
  readonly regionName: string
  readonly deployStatus: string
  readonly managementState: string
  readonly peerGroupId: number | undefined
  /** JSON text. It holds what operators handed in there: treat it as a secret. */
  readonly rehomeData: string | undefined
  /** Under which epoch that controller owns it; only peers of our kind tell. */
  readonly ownerEpoch: number | undefined
}

export interface MembersThere {
  readonly subclouds: readonly SubcloudThere[]
  /** How many standby copies it takes in one request; undefined for peers that take them one by one. */
  readonly standbysAtOnce: number | undefined
}

const maxId = 2_147_483_647
const uuid = /^[0-9a-fA-F-]{32,36}$/
/** A document with certificates in it; more is not kept for one subcloud. */
const maxRehomeData = 1024 * 1024

const optional = <T>(answer: Answer, read: (answer: Answer) => T): T | undefined => (answer.missing ? undefined : read(answer))

export function readPeerGroup(answer: Answer): PeerGroupThere {
  const group = answer.object()
  return {
    id: group('id').integer(1, maxId),
    name: group('peer_group_name').text(255),
    priority: group('group_priority').integer(0, 65_536),
    state: group('group_state').oneOf('enabled', 'disabled'),
    maxSubcloudRehoming: group('max_subcloud_rehoming').integer(1, 100_000),
    leaderId: group('system_leader_id').text(36, uuid).toLowerCase(),
    leaderName: group('system_leader_name').text(255),
    migrationStatus: optional(group('migration_status'), (status) => status.oneOf('migrating', 'complete')),
  }
}

export function readAssociationThere(answer: Answer): AssociationThere {
  const association = answer.object()
  return {
    id: association('id').integer(1, maxId),
    peerGroupId: association('peer-group-id').integer(1, maxId),
    systemPeerId: association('system-peer-id').integer(1, maxId),
    syncStatus: association('sync-status').text(64),
    receivedRevision: optional(association('murmuration-revision'), (revision) => revision.integer(0, Number.MAX_SAFE_INTEGER)),
  }
}

export function readSystemPeerThere(answer: Answer): SystemPeerThere {
  const peer = answer.object()
  return {
    id: peer('id').integer(1, maxId),
    uuid: peer('peer-uuid').text(36, uuid).toLowerCase(),
    name: peer('peer-name').text(255),
  }
}

export function readSubcloudThere(answer: Answer): SubcloudThere {
  const subcloud = answer.object()
  return {
    id: subcloud('id').integer(1, maxId),
    name: subcloud('name').text(255),
    regionName: subcloud('region-name').text(255),
    deployStatus: subcloud('deploy-status').text(64),
    managementState: subcloud('management-state').text(64),
    peerGroupId: optional(subcloud('peer_group_id'), (id) => id.integer(1, maxId)),
    rehomeData: optional(subcloud('rehome_data'), (data) => data.text(maxRehomeData, /^/)),
    ownerEpoch: optional(subcloud('murmuration-owner-epoch'), (epoch) => epoch.integer(0, Number.MAX_SAFE_INTEGER)),
  }
}

export const readStandbysAtOnce = (answer: Answer): number | undefined =>
  optional(answer.object()('murmuration-standby-copies'), (count) => count.integer(1, 10_000))

const longestSaid = 300

/**
 * What a peer says about a refusal, for people: one line of limited length without markup or control characters. HTML pages (the
 * answer of stock services to some clients) give their text.
 */
export function refusalOf(response: HttpResponse): string {
  const text = new TextDecoder().decode(response.body.subarray(0, 16 * 1024))
  let said = text
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null
    const found = [value?.['description'], value?.['message'], value?.['error'], value].find((part) => typeof part === 'string')
    said = typeof found === 'string' ? found : ''
  } catch {
    said = text.replaceAll(/<(style|title|script)[^>]*>[\s\S]*?<\/\1>/gi, ' ')
  }
  return harmless(said.replaceAll(/<[^>]*>/g, ' '))
}

/** One line of limited length without control characters. */
export const harmless = (said: string): string =>
  said
    .replaceAll(/[^\x20-\x7e\u00a1-\uffff]|[\u2028\u2029]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, longestSaid)
