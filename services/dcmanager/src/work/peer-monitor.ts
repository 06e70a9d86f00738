import type { AssociationThere, PeerGroupThere } from '@murmuration/clients'
import { timestamp, type Database, type Transaction } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { observe } from '../rules/peer-observation.ts'
import { heartbeatDeadlineMs, verdictOf, type HeartbeatOutcome } from '../rules/peer-heartbeat.ts'
import type { AssociationStatus } from '../rules/vocabulary.ts'
import { readAssociationFacts, statusOf, type AssociationRecord } from '../store/associations.ts'
import { msOf } from '../store/audits.ts'
import {
  claimDuePeers,
  finishHeartbeat,
  forgetSyncedMembers,
  giveBackPeers,
  nextHeartbeatMs,
  readSyncedRevisions,
  voidSyncFailures,
  writeObserved,
  writeReported,
} from '../store/heartbeats.ts'
import { raiseRevision, updatePeerGroup } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { writePeerAuthority, type SystemPeerRow } from '../store/system-peers.ts'
import type { ControllerFacts } from './controller-facts.ts'
import { auditGroup, settleLeader, takeBack } from './peer-group-audit.ts'
import { restoreGroupName } from './peer-group-names.ts'
import { peerFailureOf, WrongPeer, type Peers } from './peers.ts'
import { createRounds } from './state-rounds.ts'
import { changesTopic } from './topics.ts'

export interface PeerMonitor {
  start(): Promise<void>
  /** Ends heartbeats under way without a verdict and gives their leases back. */
  stop(): Promise<void>
  wake(): void
}

export const monitorLimits = {
  /** Peers whose heartbeat is under way at once. */
  peersAtOnce: 50,
  /** How long a due heartbeat waits when nobody wakes the loop and nothing is known to be due. */
  pollMs: 1_000,
  /** Beside the deadline of a heartbeat: the time for writing its outcome. */
  leaseSlackMs: 15_000,
  /** Of each request after a heartbeat: statuses and audits. */
  requestMs: 10_000,
} as const

export interface PeerMonitorParts {
  readonly site: Site
  readonly database: Database<Schema>
  readonly facts: Pick<ControllerFacts, 'ownSystem'>
  readonly peers: Peers
  /** Looked at after each round: what policies make of peers that are away. */
  readonly afterRound?: (signal: AbortSignal) => Promise<void>
}

/** A peer that this process asks now. */
interface Heartbeat {
  readonly peer: SystemPeerRow
  readonly lease: string
  readonly startedAtMs: number
  /** What it had confirmed then, by association. */
  readonly syncedBefore: ReadonlyMap<number, number>
}

/** What a peer said in a heartbeat. */
interface Heard {
  readonly groups: readonly PeerGroupThere[]
  readonly associations: readonly AssociationThere[]
  /** Id of the system peer that stands for this site there; undefined when it has none. */
  readonly systemPeerId: number | undefined
}

/**
 * Role `manager`: heartbeats of all system peers that have an association (reference dcmanager §7.3–§7.5, §7.10). Rows are leased, so any
 * number of managers share the peers. After each heartbeat the peer's copies of the associations are made to say what is true, and
 * migrations there lead to conclusions here.
 */
export function createPeerMonitor(parts: PeerMonitorParts): PeerMonitor {
  const { site, database, peers } = parts
  const { world } = site
  const log = world.log.child({ loop: 'peers' })
  const stopping = new AbortController()
  const { signal } = stopping
  const underWay = new Set<string>()
  const settled = new Set<Promise<void>>()
  /** Peers whose last heartbeat still leads to requests: a slow one must not delay the next heartbeat. */
  const following = new Set<number>()
  const identified = new Map<number, { readonly made: unknown; readonly systemPeerId: number | undefined; authorityRead: boolean }>()
  let claims = 0
  let alarm: { cancel(): void } | undefined

  const rounds = createRounds(world, { name: 'the round of heartbeats', log, everyMs: monitorLimits.pollMs, run: round })

  async function round(): Promise<void> {
    alarm?.cancel()
    // Most controllers have no peers: they do not ask for the right to write once a second.
    const anybody = (await nextHeartbeatMs(database, world.clock.nowMs())) !== undefined
    while (anybody) {
      const limit = monitorLimits.peersAtOnce - underWay.size
      if (limit < 1) break
      const lease = `${site.processId}#peers-${++claims}`
      const nowMs = world.clock.nowMs()
      const leaseMs = heartbeatDeadlineMs(Number.POSITIVE_INFINITY) + monitorLimits.leaseSlackMs
      const due = await claimDuePeers(database, { lease, nowMs, leaseMs, limit })
      for (const peer of due) {
        const beat = one(peer, lease, nowMs).finally(() => settled.delete(beat))
        settled.add(beat)
      }
      if (due.length < limit) break
    }
    await parts.afterRound?.(signal)
    // At its time and not up to a poll later: detection is threshold × interval and one timeout.
    const nextMs = anybody ? await nextHeartbeatMs(database, world.clock.nowMs()) : undefined
    if (nextMs !== undefined && !signal.aborted) alarm = world.timers.after(Math.max(1, nextMs - world.clock.nowMs()), () => rounds.wake())
  }

  async function one(peer: SystemPeerRow, lease: string, startedAtMs: number): Promise<void> {
    const key = `${lease}/${peer.id}`
    underWay.add(key)
    try {
      const syncedBefore = await readSyncedRevisions(database, peer.id)
      const { outcome, heard } = await listen(peer)
      if (signal.aborted) return
      const records = await apply({ peer, lease, startedAtMs, syncedBefore }, outcome, heard)
      underWay.delete(key)
      if (records === undefined || heard === undefined || following.has(peer.id)) return
      following.add(peer.id)
      try {
        await follow(peer, records, heard)
      } finally {
        following.delete(peer.id)
      }
    } catch (error) {
      if (signal.aborted) return
      const failure = peerFailureOf(error)
      if (failure === undefined) log.error('a heartbeat could not be made; it is made again', { peer: peer.peer_name, error })
      else log.warn('a peer could not be told what is true; it is told at the next heartbeat', { peer: peer.peer_name, reason: failure })
    } finally {
      underWay.delete(key)
    }
  }

  /** The heartbeat itself: never rejects. One short deadline covers all of it. */
  async function listen(peer: SystemPeerRow): Promise<{ outcome: HeartbeatOutcome; heard?: Heard }> {
    const deadlineMs = heartbeatDeadlineMs(peer.heartbeat_interval)
    const endMs = world.clock.monotonicMs() + deadlineMs
    const call = () => ({ deadlineMs: Math.max(1, endMs - world.clock.monotonicMs()), signal })
    const client = peers.of(peer)
    try {
      // A new client is a new address or account: who answers there is asked once, before anything is told to it.
      let known = identified.get(peer.id)
      if (known?.made !== client) {
        const system = await client.system(call())
        if (system.uuid !== peer.peer_uuid.toLowerCase()) throw new WrongPeer(system.uuid, peer.peer_uuid)
        known = undefined
      }
      const groups = await client.groups(call())
      const associations = await client.associations(call())
      // Its associations name its record of this site: while one of them has the id that is known, that has not been made anew.
      let systemPeerId = known?.systemPeerId
      if (systemPeerId === undefined || !associations.some((each) => each.systemPeerId === systemPeerId)) {
        const { uuid } = await parts.facts.ownSystem()
        systemPeerId = (await client.systemPeer(uuid, call()))?.id
        identified.set(peer.id, { made: client, systemPeerId, authorityRead: known?.authorityRead ?? false })
      }
      return { outcome: { heard: true }, heard: { groups, associations, systemPeerId } }
    } catch (error) {
      identified.delete(peer.id)
      const reason = peerFailureOf(error)
      if (reason === undefined && !signal.aborted)
        log.error('a heartbeat failed for a reason of this site', { peer: peer.peer_name, error })
      return { outcome: { heard: false, reason: reason ?? 'this site could not ask it; its log has the details' } }
    }
  }

  /** One transaction: the peer's row, and what it said of its groups. Undefined when somebody else has the lease now. */
  async function apply(
    { peer, lease, startedAtMs, syncedBefore }: Heartbeat,
    outcome: HeartbeatOutcome,
    heard: Heard | undefined,
  ): Promise<readonly AssociationRecord[] | undefined> {
    const verdict = verdictOf(
      {
        availability: peer.availability_state,
        failures: peer.heartbeat_failures,
        threshold: peer.heartbeat_failure_threshold,
        unavailableSinceMs: peer.unavailable_since === null ? undefined : msOf(peer.unavailable_since),
      },
      outcome,
      world.clock.nowMs(),
    )
    const localId = heard === undefined ? '' : (await parts.facts.ownSystem()).uuid
    const records = await database.transaction(async (tx: Transaction<Schema>) => {
      if ((await finishHeartbeat(tx, world, peer, lease, startedAtMs, verdict)) === undefined) return undefined
      if (verdict.returned) await voidSyncFailures(tx, world, peer.id)
      if (verdict.availability !== peer.availability_state) tx.afterCommit(() => told())
      if (heard === undefined) return []
      const before = await readAssociationFacts(tx, { systemPeerIds: [peer.id] })
      const seen = before.map((record) => observe(record, heard, localId, { syncedBefore, now: timestamp(world.clock.nowMs()) }))
      const changed = seen.filter((each) => each.changed)
      await writeObserved(
        tx,
        world,
        changed.map((each) => each.columns),
      )
      await forgetSyncedMembers(
        tx,
        seen.filter((each) => each.forgetMembers).map((each) => each.columns.id),
      )
      for (const { leader, record, raiseRevisionTo } of seen) {
        if (raiseRevisionTo !== undefined) await raiseRevision(tx, record.group.id, raiseRevisionTo)
        if (leader !== undefined)
          await updatePeerGroup(tx, world, record.group.id, { system_leader_id: leader.id, system_leader_name: leader.name })
      }
      return changed.length > 0 || seen.some((each) => each.leader !== undefined || each.raiseRevisionTo !== undefined)
        ? await readAssociationFacts(tx, { systemPeerIds: [peer.id] })
        : before
    })
    if (records === undefined) return undefined
    if (verdict.lost) log.warn('a peer became unavailable', { peer: peer.peer_name, reason: verdict.reason })
    else if (verdict.availability === 'available' && peer.availability_state !== 'available')
      log.info('a peer is available', { peer: peer.peer_name })
    return records
  }

  /** After the outcome is written: migrations there, then the peer's copies of our associations. */
  async function follow(peer: SystemPeerRow, records: readonly AssociationRecord[], heard: Heard): Promise<void> {
    const copies = copiesOf(records, heard)
    const localId = (await parts.facts.ownSystem()).uuid
    await restoreGroupName(parts, records, heard, signal)
    let audited = false
    for (const record of records) {
      const there = heard.groups.find((group) => group.name === record.group.peer_group_name)
      if (there === undefined) continue
      if (observe(record, heard, localId).givenUp) {
        audited = (await takeBack(parts, record, signal)) || audited
        continue
      }
      if (there.migrationStatus === undefined) {
        const { migration_status: migration, system_leader_id: leader } = record.group
        if (migration !== null || leader === there.leaderId || !(await settleLeader(parts, record, signal))) continue
        audited = true
        log.warn('this site and a peer named different leaders of a group; this one follows', {
          peer: peer.peer_name,
          group: record.group.peer_group_name,
        })
        continue
      }
      const outcome = await auditGroup(parts, record, there, { copy: copies.get(record.association.id), signal })
      audited ||= outcome !== 'nothing'
      if (outcome === 'concluded')
        log.info('a migration at a peer was concluded here', { peer: peer.peer_name, group: record.group.peer_group_name })
    }
    await reconcile(audited ? await readAssociationFacts(database, { systemPeerIds: [peer.id] }) : records, copies, peer)
    await learnAuthority(peer)
  }

  /** The peer's copy says what is derived here (reference §7.4, §7.5). Only differences are sent. */
  async function reconcile(
    records: readonly AssociationRecord[],
    copies: ReadonlyMap<number, AssociationThere>,
    peer: SystemPeerRow,
  ): Promise<void> {
    const client = peers.of(peer)
    const reported: { id: number; reported_status: AssociationStatus }[] = []
    for (const record of records) {
      const copy = copies.get(record.association.id)
      // While a job runs it tells by itself; a derived `unknown` is about reachability, and this peer was just heard.
      if (record.association.association_type !== 'primary' || copy === undefined || record.running !== undefined) continue
      const { status } = statusOf(record)
      // A peer of our kind keeps the revision that belongs to it, and gives it back in its list.
      const older =
        status === 'in-sync' && copy.receivedRevision !== undefined && copy.receivedRevision !== record.association.synced_revision
      if (copy.syncStatus !== status || older) {
        const revision = status === 'in-sync' ? { revision: record.association.synced_revision } : {}
        await client.reportStatus(copy.id, status, { deadlineMs: monitorLimits.requestMs, signal, ...revision })
      }
      if (record.association.reported_status !== status) reported.push({ id: record.association.id, reported_status: status })
    }
    await writeReported(database, reported)
  }

  /** Peers of our kind tell their certificate authority; asked once for each time that their identity was. */
  async function learnAuthority(peer: SystemPeerRow): Promise<void> {
    const known = identified.get(peer.id)
    if (known === undefined || known.authorityRead) return
    const pem = await peers.of(peer).authority({ deadlineMs: monitorLimits.requestMs, signal })
    known.authorityRead = true
    if (pem !== undefined && pem !== peer.authority_pem) await writePeerAuthority(database, peer.id, pem)
  }

  const told = (): void =>
    void site.bus
      .client(changesTopic)
      .changed({})
      .catch((error: unknown) => log.debug('a wake-up was not sent', { error }))

  return {
    async start() {
      rounds.start()
    },
    async stop() {
      const unfinished = [...underWay].map((key) => key.slice(0, key.lastIndexOf('/')))
      stopping.abort(new Error('the monitor is stopping'))
      await rounds.stop()
      alarm?.cancel()
      await Promise.all(settled)
      await giveBackPeers(database, world, unfinished)
    },
    wake: () => rounds.wake(),
  }
}

/** Our associations as the peer has them, by our id. */
function copiesOf(records: readonly AssociationRecord[], heard: Heard): ReadonlyMap<number, AssociationThere> {
  const groupId = new Map(heard.groups.map((group) => [group.name, group.id]))
  return new Map(
    records.flatMap(({ association, group }) => {
      const there = heard.associations.find(
        (each) => each.peerGroupId === groupId.get(group.peer_group_name) && each.systemPeerId === heard.systemPeerId,
      )
      return there === undefined ? [] : [[association.id, there] as const]
    }),
  )
}
