import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeoverOf, type TakeoverFacts, type TakeoverGroup } from './takeover.ts'

const group: TakeoverGroup = {
  id: 1,
  name: 'spg-a',
  enabled: true,
  ledByPeer: true,
  copyAgrees: true,
  migrating: false,
  candidates: 4,
  lastBegunMs: undefined,
}
const facts: TakeoverFacts = {
  policy: 'rehome',
  peerName: 'dc-lisbon',
  availability: 'available',
  unavailableSinceMs: undefined,
  maintenanceTimeoutMs: 600_000,
  password: true,
  groups: [group],
}
const away = { ...facts, availability: 'unavailable', unavailableSinceMs: 0 } as const
const judge = (changes: Partial<TakeoverFacts>, nowMs = 0) => {
  const { state, reason, due } = takeoverOf({ ...facts, ...changes }, nowMs)
  return [state, reason, due.map((each) => each.name)]
}

test('armed or blocked, always with the reason', () => {
  assert.deepEqual(judge({}), ['armed', 'takes over spg-a when dc-lisbon was unavailable for 600 s', []])
  assert.match(judge({ policy: 'alarm' })[1] as string, /policy is alarm/)
  assert.match(judge({ policy: 'delegate' })[1] as string, /behaves as alarm/)
  for (const [changes, reason] of [
    [{ password: false }, /no sysadmin password/],
    [{ groups: [] }, /manages no peer group/],
    [{ groups: [{ ...group, ledByPeer: false }] }, /manages no peer group/],
    [{ groups: [{ ...group, enabled: false }] }, /group-state of spg-a is disabled/],
    [{ groups: [{ ...group, copyAgrees: false }] }, /not in-sync when the peer was last heard/],
    [{ groups: [{ ...group, candidates: 0 }] }, /no members to take/],
  ] as const) {
    const [state, why, due] = judge({ ...away, ...changes }, 10_000_000)
    assert.equal(state, 'blocked')
    assert.match(why as string, reason)
    assert.deepEqual(due, [])
  }
})

test('begins when the peer was unavailable for longer than its maintenance timeout, and again after as long', () => {
  assert.deepEqual(judge(away, 599_000), ['armed', 'dc-lisbon is unavailable: takes over spg-a in 1 s', []])
  assert.deepEqual(judge(away, 600_000)[2], ['spg-a'])
  const begun = { ...away, groups: [{ ...group, lastBegunMs: 600_000 }] }
  assert.deepEqual([judge(begun, 700_000)[0], judge(begun, 700_000)[2], judge(begun, 1_200_000)[2]], ['begun', [], ['spg-a']])
})

test('what is migrated already is not begun again', () => {
  assert.deepEqual(judge({ ...away, groups: [{ ...group, migrating: true, candidates: 0 }] }, 600_000).slice(2), [[]])
})

test('a group that is not ready does not hold back the others, and is named', () => {
  const [state, reason, due] = judge({ ...away, groups: [group, { ...group, id: 2, name: 'spg-b', enabled: false }] }, 600_000)
  assert.equal(state, 'begun')
  assert.match(reason as string, /spg-a has begun.*not all: group-state of spg-b is disabled/)
  assert.deepEqual(due, ['spg-a'])
})
