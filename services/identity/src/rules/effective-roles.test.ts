import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { closesCircle, effectiveRoleIds, isInForce, withImplied, type AssignmentRow, type Target } from './effective-roles.ts'
import { expandAssignments } from './expand-assignments.ts'

const role: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const implications = fc.array(fc.record({ prior_role_id: role, implied_role_id: role }), { maxLength: 10 })

test('the closure holds its start, is closed, and holds nothing that does not follow', () => {
  fc.assert(
    fc.property(fc.array(role), implications, (start, rules) => {
      const closure = withImplied(start, rules)
      for (const one of start) assert.ok(closure.has(one))
      for (const rule of rules) if (closure.has(rule.prior_role_id)) assert.ok(closure.has(rule.implied_role_id))
      const reason = (one: string) =>
        start.includes(one) || rules.some((rule) => rule.implied_role_id === one && closure.has(rule.prior_role_id))
      for (const one of closure) assert.ok(reason(one))
    }),
  )
})

test('rules that are only added when they close no circle never do', () => {
  fc.assert(
    fc.property(implications, (wished) => {
      const rules: typeof wished = []
      for (const rule of wished) if (!closesCircle(rule.prior_role_id, rule.implied_role_id, rules)) rules.push(rule)
      for (const rule of rules) assert.ok(!withImplied([rule.implied_role_id], rules).has(rule.prior_role_id))
    }),
  )
})

const row = (members: Partial<AssignmentRow>): AssignmentRow => ({
  actor_type: 'user',
  actor_id: 'u',
  target_type: 'project',
  target_id: 'p',
  role_id: 'a',
  inherited: 0,
  ...members,
})
const project: Target = { kind: 'project', id: 'p', ancestorIds: ['parent'], domainId: 'd' }

test('what is in force on a project', () => {
  assert.equal(isInForce(row({}), project), true)
  assert.equal(isInForce(row({ target_id: 'other' }), project), false)
  assert.equal(isInForce(row({ target_id: 'parent' }), project), false)
  assert.equal(isInForce(row({ target_id: 'parent', inherited: 1 }), project), true)
  assert.equal(isInForce(row({ inherited: 1 }), project), false)
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'd' }), project), false)
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'd', inherited: 1 }), project), true)
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'e', inherited: 1 }), project), false)
  assert.equal(isInForce(row({ target_type: 'system', target_id: 'system' }), project), false)
  // A project whose id is the domain's does not exist, but the kind must decide and not the id.
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'p' }), project), false)
})

test('what is in force on a domain and on the system', () => {
  const domain: Target = { kind: 'domain', id: 'd' }
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'd' }), domain), true)
  assert.equal(isInForce(row({ target_type: 'domain', target_id: 'd', inherited: 1 }), domain), false)
  assert.equal(isInForce(row({ target_id: 'd' }), domain), false)
  assert.equal(isInForce(row({ target_type: 'system', target_id: 'system' }), { kind: 'system' }), true)
  assert.equal(isInForce(row({ target_type: 'system', target_id: 'system', inherited: 1 }), { kind: 'system' }), false)
  assert.deepEqual([...effectiveRoleIds([row({})], domain, [])], [])
})

test('the list of effective assignments says the same as the token would', () => {
  const anyRow = fc.record({
    actor_type: fc.constantFrom('user' as const, 'group' as const),
    actor_id: fc.constantFrom('u', 'v', 'g'),
    target_type: fc.constantFrom('project' as const, 'domain' as const, 'system' as const),
    target_id: fc.constantFrom('p', 'parent', 'd', 'system'),
    role_id: role,
    inherited: fc.constantFrom(0 as const, 1 as const),
  })
  fc.assert(
    fc.property(fc.array(anyRow), implications, (rows, implied) => {
      const sound = rows.filter(
        (one) =>
          (one.target_type === 'system') === (one.target_id === 'system') &&
          (one.target_type === 'domain') === (one.target_id === 'd') &&
          (one.actor_type === 'group') === (one.actor_id === 'g') &&
          !(one.target_type === 'system' && one.inherited === 1),
      )
      const listed = expandAssignments(sound, {
        membersByGroup: new Map([['g', ['u']]]),
        projectsBelow: new Map([
          ['d', ['p', 'parent']],
          ['parent', ['p']],
        ]),
        implied,
      })
      const ofUser = sound.filter((one) => one.actor_id === 'u' || one.actor_id === 'g')
      const inToken = effectiveRoleIds(ofUser, project, implied)
      const inList = listed
        .filter((one) => one.userId === 'u' && one.targetType === 'project' && one.targetId === 'p')
        .map((one) => one.roleId)
      assert.deepEqual(inList.toSorted(), [...inToken].toSorted())
    }),
  )
})
