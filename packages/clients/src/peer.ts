import type { Secret } from '@murmuration/trust'
import type { HttpResponse, TlsIdentity, World } from '@murmuration/world'
import { readAnswer, SiteAnswerRefused, type Answer } from './answer.ts'
import { requestAuthorised } from './authorised.ts'
import { startDeadline, type Deadline } from './deadline.ts'
import { createKeystoneSession } from './keystone-session.ts'
import { formOf, type FormPart } from './multipart.ts'
import {
  harmless,
  readAssociationThere,
  readPeerGroup,
  readStandbysAtOnce,
  readSubcloudThere,
  readSystemPeerThere,
  refusalOf,
  type AssociationThere,
  type MembersThere,
  type PeerGroupThere,
  type SubcloudThere,
  type SystemPeerThere,
} from './peer-answers.ts'

/** The peer understood us and said no. `message` names what was asked; `said` is its own text, cut to one harmless line. */
export class PeerRefused extends Error {
  readonly status: number
  readonly said: string
  constructor(what: string, status: number, said: string) {
    super(`${what} was refused (${status})${said === '' ? '' : `: ${said}`}`)
    this.name = 'PeerRefused'
    this.status = status
    this.said = said
  }
}

export interface PeerCall {
  /** For all of it: the token too, and the second try after a 401. Default 60,000. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** Told to peers of our kind in a header; others pass over it. */
  readonly revision?: number
}

export interface GroupColumnsThere {
  readonly name: string
  readonly priority: number
  readonly state: string
  readonly leaderId: string
  readonly leaderName: string
  readonly maxSubcloudRehoming: number
}

/** What a standby copy is made of (reference dcmanager §7.7 step 8). Documents are YAML (or JSON, which is YAML). */
export interface StandbyDocument {
  readonly bootstrapValues: string
  readonly bootstrapAddress: string
  readonly installValues: string | undefined
  /** Base64. */
  readonly bmcPassword: Secret | undefined
  readonly regionName: string
  readonly description: string | null
  readonly location: string | null
  readonly release: string
}

/** What became of one of many copies that were sent at once. */
export type StandbyOutcome =
  | { readonly outcome: 'written'; readonly deployStatus: string }
  | { readonly outcome: 'name-taken' }
  | { readonly outcome: 'not-standby'; readonly deployStatus: string }
  | { readonly outcome: 'refused'; readonly refusal: PeerRefused }

export interface AuditRequest {
  readonly id: number
  readonly peerUuid: string
  readonly groupName: string
  readonly priority: number
  readonly state: string
  readonly maxSubcloudRehoming: number
  readonly leaderId: string
  readonly leaderName: string
  readonly migrationStatus: string | null
}

/**
 * Another system controller as a peer sees it (reference dcmanager §7.2, §13.2), stock or of our kind. Every method rejects with
 * NetworkError, AuthenticationFailed, SiteAnswerRefused or PeerRefused; `undefined` where the peer says that it does not have it.
 */
export interface PeerClient {
  /** The system that answers there; compare its uuid before anything is told to it. */
  system(call?: PeerCall): Promise<{ readonly uuid: string; readonly name: string }>
  systemPeer(uuid: string, call?: PeerCall): Promise<SystemPeerThere | undefined>

  groups(call?: PeerCall): Promise<readonly PeerGroupThere[]>
  group(name: string, call?: PeerCall): Promise<PeerGroupThere | undefined>
  createGroup(group: GroupColumnsThere, call?: PeerCall): Promise<PeerGroupThere>
  updateGroup(
    name: string,
    changes: Partial<Omit<GroupColumnsThere, 'name'>> & { readonly migrationStatus?: null; readonly newName?: string },
    call?: PeerCall,
  ): Promise<PeerGroupThere>
  /** `false`: it was gone already. */
  deleteGroup(name: string, call?: PeerCall): Promise<boolean>
  /** Asks it to look at this group of ours now. */
  auditGroup(request: AuditRequest, call?: PeerCall): Promise<void>
  members(groupName: string, call?: PeerCall): Promise<MembersThere>

  associations(call?: PeerCall): Promise<readonly AssociationThere[]>
  createAssociation(ids: { readonly peerGroupId: number; readonly systemPeerId: number }, call?: PeerCall): Promise<AssociationThere>
  reportStatus(id: number, status: string, call?: PeerCall): Promise<void>
  deleteAssociation(id: number, call?: PeerCall): Promise<boolean>

  /** By name, id, or (peers' privilege) region. */
  subcloud(ref: string, call?: PeerCall): Promise<SubcloudThere | undefined>
  addStandby(document: StandbyDocument, call?: PeerCall): Promise<SubcloudThere>
  updateStandby(regionName: string, document: StandbyDocument, call?: PeerCall): Promise<SubcloudThere>
  joinGroup(regionName: string, peerGroupId: number, call?: PeerCall): Promise<SubcloudThere>
  /**
   * Adds or updates copies and makes them members, so many at once as `members` told that it takes: only peers of our kind do. By region;
   * a copy of which the peer says nothing is absent.
   */
  writeStandbys(peerGroupId: number, documents: readonly StandbyDocument[], call?: PeerCall): Promise<ReadonlyMap<string, StandbyOutcome>>
  /** Gives it up there: unmanaged and waiting to be rehomed (reference §7.9 step 4a). */
  surrender(regionName: string, call?: PeerCall): Promise<SubcloudThere>
  deleteSubcloud(name: string, call?: PeerCall): Promise<boolean>
  /** Certificate authority of a peer of our kind, PEM; undefined for others. */
  authority(call?: PeerCall): Promise<string | undefined>
}

export interface PeerClientOptions {
  /** Keystone of the peer, as the operator gave it. */
  readonly managerEndpoint: string
  readonly userName: string
  readonly password: () => Promise<Secret>
  /** System UUID of this site. */
  readonly systemUuid: () => Promise<string>
  readonly tls?: () => Promise<TlsIdentity | undefined>
}

/** Exactly this one has a meaning between dcmanagers (reference dcmanager §1.3). */
const userAgent = 'dcmanager/1.0'
const defaultDeadlineMs = 60_000
export const peerLimits = {
  /** Of one object, and of a list of groups or associations. */
  answerBytes: 4 * 1024 * 1024,
  /** Of the members of one group with all their documents. */
  membersBytes: 64 * 1024 * 1024,
  entries: 10_000,
} as const

export function createPeerClient(world: World, options: PeerClientOptions): PeerClient {
  const authUrl = keystoneUrlOf(options.managerEndpoint)
  const session = createKeystoneSession(world, {
    authUrl,
    userName: options.userName,
    userDomainName: 'Default',
    password: options.password,
    projectName: 'admin',
    projectDomainName: 'Default',
    ...(options.tls === undefined ? {} : { tls: async () => (await options.tls!()) ?? {} }),
  })

  async function baseUrl(deadline: Deadline, service: 'dcmanager' | 'platform'): Promise<string> {
    const wanted = service === 'dcmanager' ? { interface: 'public' as const, region: 'SystemController' } : { interface: 'public' as const }
    const url = await session.endpointUrl(service, wanted, deadline.remainingMs())
    if (url === undefined)
      throw new SiteAnswerRefused(
        authUrl,
        `its catalog has no public endpoint of ${service}${wanted.region === undefined ? '' : ` in region ${wanted.region}`}`,
      )
    // A catalog must not lead our requests from an encrypted connection to one that anybody reads.
    if (!/^https?:\/\//i.test(url) || (/^https:/i.test(authUrl) && !/^https:/i.test(url)))
      throw new SiteAnswerRefused(
        authUrl,
        `the public endpoint of ${service} in its catalog is not https as the endpoint of its Keystone is`,
      )
    const trimmed = url.replace(/\/+$/, '')
    const version = service === 'dcmanager' ? '/v1.0' : '/v1'
    return trimmed.endsWith(version) ? trimmed : `${trimmed}${version}`
  }

  interface Asked extends PeerCall {
    readonly service?: 'platform'
    readonly json?: unknown
    readonly form?: readonly FormPart[]
    readonly maxResponseBytes?: number
  }

  async function exchange(method: string, path: string, asked: Asked): Promise<{ response: HttpResponse; site: string }> {
    const deadline = startDeadline(world, asked.deadlineMs ?? defaultDeadlineMs, `peer at ${authUrl}`, asked.signal)
    const base = await deadline.wait(baseUrl(deadline, asked.service ?? 'dcmanager'))
    const tls = options.tls === undefined ? undefined : await deadline.wait(options.tls())
    const form = asked.form === undefined ? undefined : formOf(world, asked.form)
    const body = form?.body ?? (asked.json === undefined ? undefined : JSON.stringify(asked.json))
    const response = await requestAuthorised(world, session, deadline, {
      method,
      url: `${base}/${path}`,
      headers: {
        'user-agent': userAgent,
        'murmuration-system': await deadline.wait(options.systemUuid()),
        ...(asked.revision === undefined ? {} : { 'murmuration-revision': String(asked.revision) }),
        ...(body === undefined ? {} : { 'content-type': form?.contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
      maxResponseBytes: asked.maxResponseBytes ?? peerLimits.answerBytes,
      ...(tls === undefined ? {} : { tls }),
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    })
    return { response, site: `peer at ${new URL(base).origin}` }
  }

  /** Only 200 is success (reference dcmanager §7.2); what else a stock service may say in its place is not used by it. */
  async function ask(what: string, method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const { response, site } = await exchange(method, path, asked)
    if (response.status !== 200) throw new PeerRefused(what, response.status, refusalOf(response))
    return readAnswer(site, response, [200])
  }

  /** Undefined for a 404 that means this object; any other 404 is an endpoint that is wrong. */
  async function find(notFound: RegExp, what: string, method: string, path: string, asked: Asked = {}): Promise<Answer | undefined> {
    try {
      return await ask(what, method, path, asked)
    } catch (error) {
      if (error instanceof PeerRefused && error.status === 404 && notFound.test(error.said)) return undefined
      throw error
    }
  }

  const entries = (answer: Answer, name: string): Answer[] => answer.object()(name).list(peerLimits.entries)
  const ref = (text: string | number): string => encodeURIComponent(String(text))
  const there = {
    group: /Subcloud Peer Group not found/i,
    association: /Peer Group Association not found/i,
    subcloud: /Subcloud not found/i,
    systemPeer: /System Peer not found/i,
  }

  return {
    async system(call) {
      const [first] = entries(await ask('reading the system', 'GET', 'isystems', { ...call, service: 'platform' }), 'isystems')
      if (first === undefined) throw new SiteAnswerRefused(authUrl, 'it lists no system', 200)
      const system = first.object()
      return {
        uuid: system('uuid')
          .text(36, /^[0-9a-fA-F-]{32,36}$/)
          .toLowerCase(),
        name: system('name').text(255),
      }
    },
    async systemPeer(uuid, call) {
      const answer = await find(there.systemPeer, 'reading the system peer', 'GET', `system-peers/${ref(uuid)}`, call)
      return answer === undefined ? undefined : readSystemPeerThere(answer)
    },

    groups: async (call) =>
      entries(await ask('listing the peer groups', 'GET', 'subcloud-peer-groups', call), 'subcloud_peer_groups').map(readPeerGroup),
    async group(name, call) {
      const answer = await find(there.group, 'reading the peer group', 'GET', `subcloud-peer-groups/${ref(name)}`, call)
      return answer === undefined ? undefined : readPeerGroup(answer)
    },
    async createGroup(group, call) {
      const json = { 'peer-group-name': group.name, ...groupMembers(group) }
      return readPeerGroup(await ask('creating the peer group', 'POST', 'subcloud-peer-groups', { ...call, json }))
    },
    async updateGroup(name, changes, call) {
      const json = {
        ...(changes.newName === undefined ? {} : { 'peer-group-name': changes.newName }),
        ...groupMembers(changes),
        // The word by which stock peers clear it: JSON null is "not given" to some of them.
        ...(changes.migrationStatus === undefined ? {} : { migration_status: 'none' }),
      }
      return readPeerGroup(await ask('updating the peer group', 'PATCH', `subcloud-peer-groups/${ref(name)}`, { ...call, json }))
    },
    async deleteGroup(name, call) {
      return (await find(there.group, 'deleting the peer group', 'DELETE', `subcloud-peer-groups/${ref(name)}`, call)) !== undefined
    },
    async auditGroup(request, call) {
      const json = {
        id: request.id,
        peer_uuid: request.peerUuid,
        peer_group_name: request.groupName,
        group_priority: request.priority,
        group_state: request.state,
        max_subcloud_rehoming: request.maxSubcloudRehoming,
        system_leader_id: request.leaderId,
        system_leader_name: request.leaderName,
        migration_status: request.migrationStatus,
      }
      await ask('the audit of the peer group', 'PATCH', `subcloud-peer-groups/${ref(request.groupName)}/audit`, { ...call, json })
    },
    async members(groupName, call) {
      const asked = { ...call, maxResponseBytes: peerLimits.membersBytes }
      const answer = await ask('listing the members', 'GET', `subcloud-peer-groups/${ref(groupName)}/subclouds`, asked)
      return {
        subclouds: entries(answer, 'subclouds').map(readSubcloudThere),
        standbysAtOnce: readStandbysAtOnce(answer),
      }
    },

    associations: async (call) =>
      entries(await ask('listing the associations', 'GET', 'peer-group-associations', call), 'peer_group_associations').map(
        readAssociationThere,
      ),
    async createAssociation({ peerGroupId, systemPeerId }, call) {
      const json = { peer_group_id: peerGroupId, system_peer_id: systemPeerId }
      return readAssociationThere(await ask('creating the association', 'POST', 'peer-group-associations', { ...call, json }))
    },
    async reportStatus(id, status, call) {
      await ask('reporting the status', 'PATCH', `peer-group-associations/${id}`, { ...call, json: { sync_status: status } })
    },
    async deleteAssociation(id, call) {
      return (await find(there.association, 'deleting the association', 'DELETE', `peer-group-associations/${id}`, call)) !== undefined
    },

    async subcloud(name, call) {
      const answer = await find(there.subcloud, 'reading the subcloud', 'GET', `subclouds/${ref(name)}`, call)
      return answer === undefined ? undefined : readSubcloudThere(answer)
    },
    async addStandby(document, call) {
      const form = [
        { name: 'secondary', value: 'true' },
        { name: 'region_name', value: document.regionName },
        ...standbyParts(document, 'add'),
      ]
      return readSubcloudThere(await ask('adding the standby copy', 'POST', 'subclouds', { ...call, form }))
    },
    async updateStandby(regionName, document, call) {
      const form = standbyParts(document, 'update')
      return readSubcloudThere(await ask('updating the standby copy', 'PATCH', `subclouds/${ref(regionName)}`, { ...call, form }))
    },
    async joinGroup(regionName, peerGroupId, call) {
      const form = [{ name: 'peer_group', value: String(peerGroupId) }]
      return readSubcloudThere(await ask('joining the peer group', 'PATCH', `subclouds/${ref(regionName)}`, { ...call, form }))
    },
    async writeStandbys(peerGroupId, documents, call) {
      const json = { standby_copies: documents.map(standbyCopy) }
      const answer = await ask('writing the standby copies', 'POST', `subcloud-peer-groups/${peerGroupId}/standby-copies`, {
        ...call,
        json,
      })
      return new Map(entries(answer, 'standby_copies').map(readStandbyOutcome))
    },
    async surrender(regionName, call) {
      const form = [
        { name: 'management-state', value: 'unmanaged' },
        { name: 'migrate', value: 'true' },
      ]
      return readSubcloudThere(await ask('giving up the subcloud', 'PATCH', `subclouds/${ref(regionName)}`, { ...call, form }))
    },
    async deleteSubcloud(name, call) {
      return (await find(there.subcloud, 'deleting the standby copy', 'DELETE', `subclouds/${ref(name)}`, call)) !== undefined
    },
    async authority(call) {
      const { response, site } = await exchange('GET', 'controller-authority', call ?? {})
      if (response.status !== 200) return undefined
      return readAnswer(site, response, [200])
        .object()('authority_pem')
        .text(64 * 1024, /^[\x20-\x7e\r\n]+$/)
    },
  }
}

/** Requests are kebab-case, replies snake_case (reference dcmanager §1.5). */
const groupMembers = (group: Partial<Omit<GroupColumnsThere, 'name'>>): Record<string, unknown> => ({
  ...(group.priority === undefined ? {} : { 'group-priority': group.priority }),
  ...(group.state === undefined ? {} : { 'group-state': group.state }),
  ...(group.leaderId === undefined ? {} : { 'system-leader-id': group.leaderId }),
  ...(group.leaderName === undefined ? {} : { 'system-leader-name': group.leaderName }),
  ...(group.maxSubcloudRehoming === undefined ? {} : { 'max-subcloud-rehoming': group.maxSubcloudRehoming }),
})

/** A new copy takes documents as files; an update reads all parts as text (reference dcmanager §1.7). */
function standbyParts(document: StandbyDocument, how: 'add' | 'update'): FormPart[] {
  const file = (name: string, value: string): FormPart => (how === 'add' ? { name, value, fileName: `${name}.yml` } : { name, value })
  return [
    file('bootstrap_values', document.bootstrapValues),
    ...(document.installValues === undefined ? [] : [file('install_values', document.installValues)]),
    { name: how === 'add' ? 'bootstrap-address' : 'bootstrap_address', value: document.bootstrapAddress },
    ...(document.bmcPassword === undefined ? [] : [{ name: 'bmc_password', value: document.bmcPassword.reveal() }]),
    ...(document.description === null ? [] : [{ name: 'description', value: document.description }]),
    ...(document.location === null ? [] : [{ name: 'location', value: document.location }]),
    { name: 'release', value: document.release },
  ]
}

/** The members of the forms, in one object. */
const standbyCopy = (document: StandbyDocument): object => ({
  region_name: document.regionName,
  ...Object.fromEntries(standbyParts(document, 'add').map(({ name, value }) => [name, value])),
})

function readStandbyOutcome(answer: Answer): [region: string, outcome: StandbyOutcome] {
  const copy = answer.object()
  const region = copy('region_name').text(255)
  const outcome = copy('outcome').oneOf('written', 'name-taken', 'not-standby', 'refused')
  if (outcome === 'name-taken') return [region, { outcome }]
  if (outcome !== 'refused') return [region, { outcome, deployStatus: copy('deploy-status').text(64) }]
  const said = harmless(copy('message').text(4_096, /^/))
  return [region, { outcome, refusal: new PeerRefused('the standby copy', copy('status').integer(400, 599), said) }]
}

/** Operators give it with or without the version. */
function keystoneUrlOf(endpoint: string): string {
  const trimmed = endpoint.replace(/\/+$/, '')
  return trimmed.endsWith('/v3') ? trimmed : `${trimmed}/v3`
}

export type { AssociationThere, MembersThere, PeerGroupThere, SubcloudThere, SystemPeerThere }
