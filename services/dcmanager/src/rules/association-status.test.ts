import assert from 'node:assert/strict'
import { test } from 'node:test'
import { associationStatus, type AssociationFacts } from './association-status.ts'

const agreeing: AssociationFacts = {
  syncing: false,
  syncFailure: null,
  revision: 7,
  syncedRevision: 7,
  peer: { name: 'dc-madrid', availability: 'available' },
  remoteMigration: null,
}
const away = { name: 'dc-madrid', availability: 'unavailable' } as const
const unreachable = 'Peer site (dc-madrid) is unreachable.'

const rows: readonly [what: string, facts: Partial<AssociationFacts>, status: string, message: string | null][] = [
  ['all is told', {}, 'in-sync', null],
  ['the first contact has not been made yet', { peer: { name: 'dc-madrid', availability: 'created' } }, 'in-sync', null],
  ['something changed', { revision: 8 }, 'out-of-sync', null],
  ['never synced', { syncedRevision: 0 }, 'out-of-sync', null],
  ['a sync runs', { syncing: true, revision: 8, syncFailure: 'x' }, 'syncing', null],
  ['the last sync failed', { syncFailure: 'subclouds failed: edge-1' }, 'failed', 'subclouds failed: edge-1'],
  ['the peer takes the group over', { remoteMigration: 'migrating' }, 'out-of-sync', null],
  ['all was told and the peer is away (§7.4: in-sync → unknown)', { peer: away }, 'unknown', unreachable],
  ['changed while the peer is away (§7.4: out-of-sync → failed, §7.5)', { peer: away, revision: 8 }, 'failed', unreachable],
  ['failed before the peer went away (§7.4: failed → failed)', { peer: away, syncFailure: 'x' }, 'failed', unreachable],
]

for (const [what, facts, status, message] of rows)
  test(`the status of an association: ${what}`, () => {
    assert.deepEqual(associationStatus({ ...agreeing, ...facts }), { status, message })
  })
