import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayBePeer } from './peer-privileges.ts'
import {
  countMembersByState,
  isStandby,
  requireMayJoin,
  requireMayLeave,
  requireMayMigrate,
  requireMayUpdateMember,
} from './peer-groups.ts'
import { readUuid } from './uuids.ts'

const us = 'us'
const group = (group_priority: number, system_leader_id = us) => ({
  peer_group_name: 'g',
  group_priority,
  system_leader_id,
  system_leader_name: system_leader_id,
})
const ready = { name: 's', deploy_status: 'complete', management_state: 'managed', availability_status: 'online' } as const
const here = (ownerAway = false) => ({ systemId: us, ownerAway })
/** `yes`, or the code of the refusal. */
const asked = (work: () => boolean | void): string => {
  try {
    const answer = work()
    return answer === undefined ? 'yes' : String(answer)
  } catch (error) {
    return (error as { code: string }).code
  }
}

test('who leaves a group (reference dcmanager §1.7)', () => {
  for (const [priority, leader, away, expected] of [
    [0, us, false, 'yes'],
    [0, 'them', false, 'memberLedElsewhere'],
    [1, us, false, 'memberOwnerReachable'],
    [1, us, true, 'yes'],
    [1, 'them', true, 'memberLedElsewhere'],
  ] as const)
    assert.equal(
      asked(() => requireMayLeave(group(priority, leader), here(away))),
      expected,
      `${priority} ${leader} ${away}`,
    )
})

test('who joins a group', () => {
  for (const [from, to, subcloud, expected] of [
    [undefined, group(0), ready, 'yes'],
    [group(0), group(0), ready, 'yes'],
    [group(1), group(0), ready, 'memberNotPrimary'],
    [undefined, group(1), ready, 'memberNotPrimary'],
    [undefined, group(0, 'them'), ready, 'memberLedElsewhere'],
    [undefined, group(0), { ...ready, deploy_status: 'config-failed' }, 'memberNotReady'],
    [undefined, group(0), { ...ready, management_state: 'unmanaged' }, 'memberNotReady'],
    [undefined, group(0), { ...ready, availability_status: 'offline' }, 'memberNotReady'],
  ] as const)
    assert.equal(
      asked(() => requireMayJoin(from, to, subcloud, here())),
      expected,
    )
})

test('who is updated: on the owning site that leads, or rehome data of what failed while the owner is away', () => {
  const failed = { ...ready, deploy_status: 'rehome-failed' } as const
  const rehomeData = { managementState: false, onlyRehomeData: true }
  const other = { managementState: false, onlyRehomeData: false }
  for (const [of, subcloud, away, update, expected] of [
    [group(0), ready, false, other, 'false'],
    [group(0, 'them'), ready, true, other, 'memberLedElsewhere'],
    [group(1), ready, true, rehomeData, 'memberNotPrimary'],
    [group(1, 'them'), failed, false, rehomeData, 'memberNotPrimary'],
    [group(1, 'them'), failed, true, other, 'memberNotPrimary'],
    [group(1, 'them'), failed, true, rehomeData, 'true'],
    [group(0), ready, false, { managementState: true, onlyRehomeData: false }, 'memberManagementState'],
  ] as const)
    assert.equal(
      asked(() => requireMayUpdateMember(of, subcloud, here(away), update)),
      expected,
    )
})

test('what is given up for another controller', () => {
  const may = (
    deploy_status: typeof ready.deploy_status | 'rehome-pending' | 'config-failed',
    management_state: 'managed' | 'unmanaged',
    willBeUnmanaged: boolean,
    byPeer = false,
  ) => asked(() => requireMayMigrate({ ...ready, deploy_status, management_state }, { willBeUnmanaged, byPeer }))
  assert.equal(may('complete', 'managed', true), 'true')
  assert.equal(may('complete', 'unmanaged', false), 'true')
  assert.equal(may('complete', 'managed', false), 'migrateManaged')
  assert.equal(may('config-failed', 'unmanaged', false), 'migrateState')
  assert.equal(may('config-failed', 'unmanaged', false, true), 'true')
  assert.equal(may('rehome-pending', 'unmanaged', false), 'false')
})

test('counters of a migration add up', () => {
  const statuses = ['complete', 'secondary', 'pre-rehome', 'rehoming', 'rehome-failed', 'rehome-prep-failed'] as const
  const counts = countMembersByState(
    statuses.map((deployStatus, index) => ({
      deployStatus,
      managementState: deployStatus === 'complete' ? 'managed' : 'unmanaged',
      count: 2 ** index,
    })),
  )
  assert.deepEqual(counts, {
    total_subclouds: 63,
    complete: 1,
    waiting_for_migrate: 2,
    rehoming: 12,
    rehome_failed: 48,
    managed: 1,
    unmanaged: 62,
  })
  assert.deepEqual(
    statuses.map((deploy_status) => isStandby({ deploy_status })),
    [false, true, false, false, true, true],
  )
})

test('a peer is program, rights and domain together', () => {
  const account = { userName: 'p', userDomainId: 'default', projectName: 'admin', roles: ['configurator'] }
  assert.equal(mayBePeer('dcmanager/1.0', account), true)
  for (const [agent, change] of [
    ['dcmanager/1.0 ', {}],
    ['dcmanager/1.1', {}],
    ['DCManager/1.0', {}],
    [undefined, {}],
    ['dcmanager/1.0', { roles: ['operator', 'reader'] }],
    ['dcmanager/1.0', { projectName: 'other' }],
    ['dcmanager/1.0', { projectName: '' }],
    ['dcmanager/1.0', { userDomainId: 'other' }],
  ] as const)
    assert.equal(mayBePeer(agent, { ...account, ...change, roles: [...('roles' in change ? change.roles : account.roles)] }), false)
})

test('one spelling of a uuid', () => {
  const uuid = '0f0c1c2e-9d37-4a55-9d0b-6b1d2a3c4d5e'
  for (const text of [uuid, uuid.toUpperCase(), uuid.replaceAll('-', '')]) assert.equal(readUuid(text), uuid)
  for (const text of ['', 'x', uuid.slice(1), `${uuid}0`, `{${uuid}}`, `${'-'.repeat(4)}${uuid.replaceAll('-', '')}-`])
    assert.equal(readUuid(text), undefined)
})
