import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observe, type HeardFromPeer, type ObservedRecord } from './peer-observation.ts'

const us = 'us'
const record = (
  association: Partial<ObservedRecord['association']> = {},
  group: Partial<ObservedRecord['group']> = {},
): ObservedRecord => ({
  association: { id: 1, association_type: 'primary', synced_revision: 5, sync_failure: null, remote_migration: null, ...association },
  group: {
    peer_group_name: 'spg-a',
    group_priority: 0,
    system_leader_id: us,
    migration_status: null,
    revision: 5,
    push_until: null,
    ...group,
  },
  peer: { peer_name: 'dc-madrid', peer_uuid: 'peer' },
  running: undefined,
})
const heard = (group: Partial<HeardFromPeer['groups'][0]> = {}, copy: Partial<HeardFromPeer['associations'][0]> = {}): HeardFromPeer => ({
  groups: [
    {
      id: 7,
      name: 'spg-a',
      priority: 1,
      state: 'enabled',
      maxSubcloudRehoming: 10,
      leaderId: us,
      leaderName: 'here',
      migrationStatus: undefined,
      ...group,
    },
  ],
  associations: [{ id: 70, peerGroupId: 7, systemPeerId: 9, syncStatus: 'in-sync', receivedRevision: 5, ...copy }],
  systemPeerId: 9,
})

test('a peer that agrees changes nothing, nor does a stock one that tells no revision', () => {
  assert.equal(observe(record(), heard(), us).changed, false)
  assert.equal(observe(record(), heard({}, { receivedRevision: undefined }), us).changed, false)
})

test('a peer that was restored from a backup makes the association differ, and all members are sent again', () => {
  const seen = observe(record(), heard({}, { receivedRevision: 3 }), us)
  assert.deepEqual([seen.columns.synced_revision, seen.changed, seen.forgetMembers], [3, true, true])
  // Whoever leads: it is not in-sync. While a migration is concluded its end tells the revision anew.
  assert.equal(observe(record({}, { system_leader_id: 'peer' }), heard({}, { receivedRevision: 3 }), us).forgetMembers, true)
  assert.equal(observe(record(), heard({ migrationStatus: 'complete' }, { receivedRevision: 3 }), us).forgetMembers, false)
  // What the peer confirmed while it answered this heartbeat is not in the answer.
  assert.equal(observe(record(), heard({}, { receivedRevision: 3 }), us, { syncedBefore: new Map([[1, 3]]) }).changed, false)
})

test('a peer that has more than this site ever made shows that this one was restored: its document goes on after that', () => {
  const seen = observe(record(), heard({}, { receivedRevision: 8 }), us)
  assert.deepEqual([seen.columns.synced_revision, seen.raiseRevisionTo, seen.forgetMembers], [5, 9, true])
  // A push under way has a revision that was made here.
  const pushed = observe(record({ synced_revision: 4 }), heard(), us)
  assert.deepEqual([pushed.raiseRevisionTo, pushed.forgetMembers, pushed.changed], [undefined, false, false])
  // So may one have that the peer knows of and this site not yet; when it should have ended, it never was made here.
  const pushing = record({}, { push_until: '2026-01-01T00:00:15' })
  assert.equal(observe(pushing, heard({}, { receivedRevision: 6 }), us, { now: '2026-01-01T00:00:14' }).raiseRevisionTo, undefined)
  assert.equal(observe(pushing, { ...heard(), associations: [] }, us, { now: '2026-01-01T00:00:14' }).changed, false)
  assert.equal(observe(pushing, heard({}, { receivedRevision: 6 }), us, { now: '2026-01-01T00:00:15' }).raiseRevisionTo, 7)
})

test('a lost association is failed with what to do; one that is being made, or never was, is not', () => {
  const lost = { ...heard(), associations: [] }
  assert.match(observe(record(), lost, us).columns.sync_failure!, /does not have this association/)
  assert.match(
    observe(record(), { ...lost, systemPeerId: undefined }, us).columns.sync_failure!,
    /has no system peer for this site any more/,
  )
  assert.equal(observe({ ...record(), running: { id: 'job' } }, lost, us).changed, false)
  assert.equal(observe(record({ synced_revision: 0 }), lost, us).changed, false)
  assert.equal(observe(record({ association_type: 'non-primary' }), lost, us).changed, false)
})

test('migrations there are remembered, and one that was given up gives back', () => {
  assert.equal(observe(record(), heard({ migrationStatus: 'migrating' }), us).columns.remote_migration, 'migrating')
  const before = record({ remote_migration: 'migrating' })
  assert.equal(observe(before, heard(), us).givenUp, true)
  assert.equal(observe(before, heard({ leaderId: 'peer' }), us).givenUp, false)
  assert.equal(observe(before, heard({ migrationStatus: 'complete' }), us).givenUp, false)
})

test('a standby follows the leader that the owner names, unless it leads itself', () => {
  const standby = (leader: string) => record({ association_type: 'non-primary' }, { group_priority: 2, system_leader_id: leader })
  const owner = heard({ priority: 0, leaderId: 'third', leaderName: 'dc-three' })
  assert.deepEqual(observe(standby('peer'), owner, us).leader, { id: 'third', name: 'dc-three' })
  assert.equal(observe(standby(us), owner, us).leader, undefined)
  assert.equal(observe(standby('third'), owner, us).leader, undefined)
  assert.equal(observe(record({}, { system_leader_id: 'peer' }), owner, us).leader, undefined)
})
