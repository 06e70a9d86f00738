import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  afterMigration,
  copyIsWhole,
  followsLeaderThere,
  leaderAfter,
  leadsBefore,
  managedCounts,
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
  pending: false,
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
  [
    'failed there, and managed by a third site',
    { deployStatus: 'secondary', managementState: 'unmanaged', fencedBy: 'third' },
    { deployStatus: 'rehome-failed', managementState: 'unmanaged' },
    'stays',
  ],
  [
    'failed there, which the subcloud said had claimed it',
    { deployStatus: 'secondary', managementState: 'unmanaged', fencedBy: 'peer' },
    { deployStatus: 'rehome-failed', managementState: 'unmanaged' },
    'failed',
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
    const conclusions = afterMigration([member], [there('a', theirs)], 'peer')
    const found = (Object.keys(conclusions) as (keyof typeof conclusions)[]).filter((name) => conclusions[name].includes(member.id))
    assert.deepEqual(found, verdict === 'stays' ? [] : [verdict])
  })

test('complete: gone there is only what was there once', () => {
  const [had, never] = [here('a'), here('b', { confirmed: false })]
  assert.deepEqual(afterMigration([had, never], [], 'peer').gone, [had.id])
})

test('complete: the same again changes nothing', () => {
  const members = [here('a'), here('b')]
  const copies = [there('a'), there('b', { deployStatus: 'rehome-failed', managementState: 'unmanaged' })]
  const first = afterMigration(members, copies, 'peer')
  const after = members.map((member) => ({
    ...member,
    managementState: 'unmanaged' as const,
    deployStatus: first.standby.includes(member.id) ? ('secondary' as const) : ('rehome-failed' as const),
  }))
  assert.deepEqual(afterMigration(after, copies, 'peer'), { pending: [], standby: [], failed: [], gone: [], waiting: [] })
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

const group = { state: 'enabled', maxSubcloudRehoming: 10 }

test('a copy is whole when it has the same members, each as it is now, and the same group', () => {
  const whole = (mine: readonly MemberHere[], theirs: readonly MemberThere[], groupThere = group): boolean =>
    copyIsWhole({ group, members: mine }, { group: groupThere, members: theirs })
  assert.ok(whole([here('a'), here('b', { deployStatus: 'secondary' })], [there('b'), there('a')]))
  assert.equal(whole([here('a', { pending: true })], [there('a')]), false, 'changed since')
  assert.equal(
    whole([here('a', { deployStatus: 'secondary', pending: true })], [there('a')]),
    false,
    'changed since, and managed there now',
  )
  assert.equal(whole([here('a'), here('b')], [there('a')]), false, 'it never had b')
  assert.equal(whole([here('a')], [there('a'), there('b')]), false, 'b left here')
  assert.equal(whole([here('a')], [there('a')], { ...group, maxSubcloudRehoming: 3 }), false)
})

test('a member that both believe to manage counts for the newer epoch, and for both where none is known', () => {
  const standby = { deployStatus: 'secondary', managementState: 'unmanaged' } as const
  assert.deepEqual(managedCounts([here('a'), here('b', standby)], [there('a'), there('b')]), { managedHere: 0, managedThere: 2 })
  assert.deepEqual(managedCounts([here('a', { ownerEpoch: 3 })], [there('a')]), { managedHere: 1, managedThere: 0 })
  // Two others, as their owner judges: more members, the newer epoch of one that both have, then the lower priority number.
  const claim = (priority: number, ...members: MemberThere[]) => ({ priority, members })
  const one = claim(1, there('a'), there('b', { managementState: 'unmanaged' }))
  for (const [other, leads] of [
    [claim(2, there('b')), true],
    [claim(2, there('b'), there('c')), false],
    [claim(2, there('a', { ownerEpoch: 3 })), false],
    [claim(2, there('a', { ownerEpoch: undefined })), true],
  ] as const)
    assert.deepEqual([leadsBefore(one, other), leadsBefore(other, one)], [leads, !leads])
  assert.deepEqual(managedCounts([here('a'), here('c')], [there('a', { ownerEpoch: undefined })]), { managedHere: 2, managedThere: 1 })
})

test('of two leaders that nobody migrates to, both sites find the same one', () => {
  const sites = (leaders: readonly [string, string], managed: readonly [number, number]): Record<'owner' | 'standby', LeadershipFacts> => {
    const owner = { localId: 'o', peerId: 's', leaderHere: leaders[0], leaderThere: leaders[1], priorityHere: 0, priorityThere: 1 }
    const standby = { localId: 's', peerId: 'o', leaderHere: leaders[1], leaderThere: leaders[0], priorityHere: 1, priorityThere: 0 }
    return {
      owner: { ...owner, managedHere: managed[0], managedThere: managed[1] },
      standby: { ...standby, managedHere: managed[1], managedThere: managed[0] },
    }
  }
  for (const [leaders, managed, leader] of [
    // The owner was restored from before a takeover, and from before the subclouds have told it.
    [['o', 's'], [0, 3], 's'],
    [['o', 's'], [3, 3], 'o'],
    // The standby was restored from before: nobody manages, and the owner is who may.
    [['s', 'o'], [0, 0], 'o'],
    [['s', 'o'], [0, 1], 's'],
    [['s', 's'], [3, 0], 's'],
  ] as const) {
    const { owner, standby } = sites(leaders, managed)
    const found = [owner, standby].map((facts) => (followsLeaderThere(facts) ? facts.leaderThere : facts.leaderHere))
    assert.deepEqual(found, [leader, leader], JSON.stringify([leaders, managed]))
  }
})

test('of a third leader the owner knows more; a standby that leads follows when it manages nothing', () => {
  const facts = { localId: 's', peerId: 'o', leaderHere: 's', leaderThere: 'x', priorityHere: 1, priorityThere: 0, managedThere: 0 }
  assert.equal(followsLeaderThere({ ...facts, managedHere: 2 }), false)
  assert.equal(followsLeaderThere({ ...facts, managedHere: 0 }), true)
  assert.equal(followsLeaderThere({ ...facts, leaderHere: 'x', leaderThere: 'y', managedHere: 0 }), true)
  assert.equal(followsLeaderThere({ ...facts, priorityHere: 0, priorityThere: 1, managedHere: 0 }), false)
})
