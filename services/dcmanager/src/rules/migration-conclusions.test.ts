import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  afterMigration,
  leaderAfter,
  whileMigrating,
  type LeadershipFacts,
  type MemberHere,
  type MemberThere,
} from './migration-conclusions.ts'

let ids = 0
const here = (regionName: string, changes: Partial<MemberHere> = {}): MemberHere => ({
  id: ++ids,
  regionName,
  deployStatus: 'complete',
  managementState: 'managed',
  ownerEpoch: 1,
  busy: false,
  confirmed: true,
  ...changes,
})
const there = (regionName: string, changes: Partial<MemberThere> = {}): MemberThere => ({
  regionName,
  deployStatus: 'complete',
  managementState: 'managed',
  ownerEpoch: 2,
  ...changes,
})

test('migrating: what is held is given up, what rests is not touched, what is worked on waits', () => {
  const members = [
    here('a'),
    here('b', { busy: true }),
    here('c', { deployStatus: 'secondary', managementState: 'unmanaged' }),
    here('d', { deployStatus: 'rehome-pending', managementState: 'unmanaged' }),
    here('e', { managementState: 'unmanaged' }),
  ]
  const { pending, waiting } = whileMigrating(members)
  assert.deepEqual([pending, waiting], [[members[0]!.id, members[4]!.id], [members[1]!.id]])
})

for (const [what, mine, theirs, verdict] of [
  ['managed there', {}, {}, 'standby'],
  ['managed there and given up here', { deployStatus: 'rehome-pending', managementState: 'unmanaged' }, {}, 'standby'],
  ['managed there, worked on here', { busy: true }, {}, 'waiting'],
  ['managed there by a stock peer', {}, { ownerEpoch: undefined }, 'standby'],
  ['managed by both, here under the newer epoch', { ownerEpoch: 3 }, {}, 'stays'],
  [
    'a standby copy on both',
    { deployStatus: 'secondary', managementState: 'unmanaged' },
    { deployStatus: 'secondary', managementState: 'unmanaged' },
    'stays',
  ],
  ['still a standby copy there', {}, { deployStatus: 'secondary', managementState: 'unmanaged' }, 'stays'],
  [
    'failed there',
    { deployStatus: 'rehome-pending', managementState: 'unmanaged' },
    { deployStatus: 'rehome-failed', managementState: 'unmanaged' },
    'failed',
  ],
  ['failed before it began there', {}, { deployStatus: 'rehome-prep-failed', managementState: 'unmanaged' }, 'failed'],
  [
    'known as failed already',
    { deployStatus: 'rehome-failed', managementState: 'unmanaged' },
    { deployStatus: 'rehome-failed', managementState: 'unmanaged' },
    'stays',
  ],
] as const)
  test(`complete: ${what}: ${verdict}`, () => {
    const member = here('a', mine)
    const conclusions = afterMigration([member], [there('a', theirs)])
    const found = (Object.keys(conclusions) as (keyof typeof conclusions)[]).filter((name) => conclusions[name].includes(member.id))
    assert.deepEqual(found, verdict === 'stays' ? [] : [verdict])
  })

test('complete: gone there is only what was there once', () => {
  const [had, never] = [here('a'), here('b', { confirmed: false })]
  assert.deepEqual(afterMigration([had, never], []).gone, [had.id])
})

test('complete: the same again changes nothing', () => {
  const members = [here('a'), here('b')]
  const copies = [there('a'), there('b', { deployStatus: 'rehome-failed', managementState: 'unmanaged' })]
  const first = afterMigration(members, copies)
  const after = members.map((member) => ({
    ...member,
    managementState: 'unmanaged' as const,
    deployStatus: first.standby.includes(member.id) ? ('secondary' as const) : ('rehome-failed' as const),
  }))
  assert.deepEqual(afterMigration(after, copies), { pending: [], standby: [], failed: [], gone: [], waiting: [] })
})

test('two sites that each completed a migration find the same leader', () => {
  for (const [managedA, managedB, leader] of [
    [3, 1, 'a'],
    [1, 3, 'b'],
    [2, 2, 'a'],
    [0, 4, 'b'],
    [4, 0, 'a'],
  ] as const) {
    const a: LeadershipFacts = {
      localId: 'a',
      peerId: 'b',
      leaderHere: 'a',
      leaderThere: 'b',
      priorityHere: 0,
      priorityThere: 1,
      managedHere: managedA,
      managedThere: managedB,
    }
    const b: LeadershipFacts = {
      localId: 'b',
      peerId: 'a',
      leaderHere: 'b',
      leaderThere: 'a',
      priorityHere: 1,
      priorityThere: 0,
      managedHere: managedB,
      managedThere: managedA,
    }
    const found = { a: leaderAfter(a) === 'peer' ? 'b' : 'a', b: leaderAfter(b) === 'peer' ? 'a' : 'b' }
    assert.deepEqual(found, { a: leader, b: leader }, `${managedA} and ${managedB}`)
  }
})

test('a leader that is another site still is recorded by nobody else', () => {
  const facts = {
    localId: 'a',
    peerId: 'b',
    leaderHere: 'a',
    leaderThere: 'c',
    priorityHere: 0,
    priorityThere: 1,
    managedHere: 0,
    managedThere: 4,
  }
  assert.equal(leaderAfter(facts), 'unchanged')
})
