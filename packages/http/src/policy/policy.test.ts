import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Identity } from '../identity.ts'
import { createFakeWorld } from '../testing/fake-world.ts'
import { identityOf, rule } from '../testing/test-app.ts'
import { printCheck } from './evaluate.ts'
import { createPolicy, type PolicyRule } from './index.ts'
import { type Check, parseCheck, PolicyRefused } from './parse.ts'
import { compileRules, PolicyInvalid } from './rules.ts'

const allows = async (
  check: string,
  identity: Identity,
  target: Readonly<Record<string, unknown>> = {},
  others: readonly PolicyRule[] = [],
): Promise<boolean> => (await createPolicy(createFakeWorld(), [rule('it', check), ...others])).allows('it', identity, target)

test('the language, case by case', async () => {
  const alice = identityOf({ roles: ['reader', 'Operator'], projectName: 'admin', projectId: 'p1' })
  const system = identityOf({ systemScope: true, roles: ['admin'] })
  const own = { user_id: 'u1', target: { project: { id: 'p1' } }, 'flat.key': 'p1', enabled: true, nothing: null }
  const cases: [string, boolean, Identity?][] = [
    ['', true],
    ['   ', true],
    ['@', true],
    ['!', false],
    ['role:reader', true],
    ['role:READER', true],
    ['role:operator', true],
    ['role:admin', false],
    ['not role:admin', true],
    ['NOT role:reader', false],
    ['not not role:reader', true],
    ['role:admin or role:reader', true],
    ['role:admin and role:reader', false],
    // `and` binds tighter than `or`, `not` tighter than both.
    ['role:reader or role:admin and !', true],
    ['(role:reader or role:admin) and !', false],
    ['not role:admin and role:reader', true],
    ['not (role:admin or role:reader)', false],
    ['((role:reader))', true],
    ['(role:reader and (project_name:admin or project_name:services))', true],
    ['project_name:services', false],
    ['user_id:%(user_id)s', true],
    ['(user_id:%(user_id)s)', true],
    ['user_id:%(owner)s', false],
    ['not user_id:%(owner)s', true],
    ['project_id:%(target.project.id)s', true],
    ['project_id:%(flat.key)s', true],
    ["'p1':%(target.project.id)s", true],
    ['"p2":%(target.project.id)s', false],
    ['True:%(enabled)s', true],
    ['None:%(nothing)s', true],
    ['domain_id:%(nothing)s', false],
    ['system_scope:all', false],
    ['system_scope:all', true, system],
    ['is_admin:True', false],
    ['is_admin:True', true, system],
    // Neither side is known: two unknown things are not the same thing.
    ['domain_id:%(owner)s', false],
    // Own members only: 'Object' is the name of every object's constructor.
    ["'Object':%(target.constructor.name)s", false],
    ['user_id:%(constructor)s', false],
    ['user_id:%(target.constructor.name)s', false],
    ['rule:base', true],
    ['rule:base and rule:base', true],
  ]
  for (const [check, expected, identity] of cases) {
    assert.equal(await allows(check, identity ?? alice, own, [rule('base', 'role:reader')]), expected, check)
  }
})

test('texts that are not checks are refused with their place', () => {
  const cases: [string, RegExp, number?][] = [
    ['role:admin role:reader', /'role:reader' is not expected/, 12],
    ['role:admin and', /missing at the end/, 15],
    ['and role:admin', /missing before 'and'/, 1],
    ['(role:admin', /'\)' is missing/, 12],
    ['role:admin)', /not expected/, 11],
    ['()', /missing before '\)'/, 2],
    ['admin', /is not a check/, 1],
    ['role:', /nothing after its colon/, 1],
    ['http://example.com/check', /remote server/, 1],
    ['user_id:%(user_id', /without '\)s'/],
    ["'open:%(x)s", /quote/],
    ['a b:c', /is not a check/],
    ['$x:1', /neither an attribute nor a literal/],
    [`${'('.repeat(100)}@${')'.repeat(100)}`, /more than 32 levels/],
    [`${'not '.repeat(1000)}@`, /more than 32 levels/],
    ['@ '.repeat(8192), /longer/],
  ]
  for (const [check, message, column] of cases) {
    assert.throws(
      () => parseCheck(check),
      (error: unknown) =>
        error instanceof PolicyRefused && message.test(error.message) && (column === undefined || error.column === column),
      check.slice(0, 40),
    )
  }
})

test("printing and parsing are each other's inverse", () => {
  const name = fc.constantFrom('admin', 'reader', 'x-y', 'ns:get')
  const { check } = fc.letrec<{ check: Check }>((tie) => ({
    check: fc.oneof(
      { maxDepth: 4 },
      fc.constant<Check>({ kind: 'always' }),
      fc.constant<Check>({ kind: 'never' }),
      name.map((name): Check => ({ kind: 'rule', name })),
      name.map((name): Check => ({ kind: 'role', name: [name] })),
      fc.constant<Check>({ kind: 'match', left: { attribute: 'user_id' }, right: ['a ', { target: 'user.id' }] }),
      fc.constant<Check>({ kind: 'match', left: { literal: "it's: (x)" }, right: [{ target: 'name' }] }),
      tie('check').map((part): Check => ({ kind: 'not', part })),
      fc
        .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('check'), { minLength: 2, maxLength: 3 }))
        .map(([kind, parts]): Check => ({ kind, parts })),
    ),
  }))
  fc.assert(fc.property(check, (check) => assert.deepEqual(parseCheck(printCheck(check)), check)))
})

test('any text is a check or refused', () => {
  const piece = fc.constantFrom('role:a', ' and ', ' or ', 'not ', '(', ')', '%(', ')s', ':', "'", '"', '@', '!', ' ', 'x', '\n', 'True')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        parseCheck(pieces.join(''))
      } catch (error) {
        if (!(error instanceof PolicyRefused)) throw error
      }
    }),
    { numRuns: 3000 },
  )
})

test('unknown rules, attributes and circles are errors at the start', () => {
  const problems = (rules: readonly PolicyRule[], file?: string): string => {
    try {
      compileRules(rules, file, '/etc/x/policy.yaml')
    } catch (error) {
      assert.ok(error instanceof PolicyInvalid)
      return error.message
    }
    return ''
  }
  assert.match(problems([rule('a', 'rule:b')]), /rule 'a': it refers to 'rule:b', which does not exist/)
  assert.match(problems([rule('a', 'shoe_size:44')]), /'shoe_size' is not an attribute/)
  assert.match(problems([rule('a', 'rule:b'), rule('b', 'not rule:a')]), /circle: a → b → a/)
  assert.match(problems([rule('a', '@')], 'a: role:x\nb: role:x\n'), /^policy.yaml:2: there is no rule 'b'$/)
  assert.match(problems([rule('a', '@')], '# words\na: role:x role:y\n'), /^policy.yaml:2: 'role:y' is not expected/)
  assert.match(problems([rule('a', '@')], 'a: [[role:x]]\n'), /lists of lists/)
  assert.match(problems([rule('a', '@')], 'a: true\n'), /not a text/)
  assert.match(problems([rule('a', '@')], '- a\n'), /mapping/)
  assert.match(problems([rule('a', '@')], 'a: "x\n'), /policy.yaml:\d: /)
})

test('many rules that refer twice to the next are asked once each', async () => {
  const rules = Array.from({ length: 60 }, (_, i) => rule(`r${i}`, i === 59 ? 'role:reader' : `rule:r${i + 1} and rule:r${i + 1}`))
  assert.equal((await createPolicy(createFakeWorld(), rules)).allows('r0', identityOf()), true)
})

test("an operator's file is on top, is read again when it changes, and a bad one changes nothing", async () => {
  const world = createFakeWorld()
  world.disk.set('/policy.yaml', "it: '!'\n")
  const policy = await createPolicy(world, [rule('it', '@'), rule('other', '@')], { file: '/policy.yaml' })
  const may = (): boolean => policy.allows('it', identityOf())
  assert.equal(may(), false)
  assert.deepEqual(
    policy.effective().map(({ name, check, source }) => [name, check, source]),
    [
      ['it', '!', 'policy.yaml:1'],
      ['other', '@', 'default'],
    ],
  )

  world.disk.set('/policy.yaml', 'it: role:reader\n')
  await world.advance(5000)
  assert.equal(may(), true)

  world.disk.set('/policy.yaml', "it: '!'\nunknown: '@'\n")
  await world.advance(5000)
  assert.equal(may(), true)
  assert.match(String(world.lines.find((line) => line.level === 'error')?.fields['problems']), /policy.yaml:2: there is no rule 'unknown'/)

  // Half written: not taken until it reads the same twice.
  world.disk.set('/policy.yaml', '')
  await world.advance(2000)
  assert.equal(policy.effective()[0]?.source, 'policy.yaml:1')
  world.disk.set('/policy.yaml', "it: '!'\n")
  await world.advance(5000)
  assert.equal(may(), false)

  policy.close()
  world.disk.set('/policy.yaml', "it: '@'\n")
  await world.advance(60_000)
  assert.equal(may(), false)
})

test('a bad file at the start is an error: the defaults may allow what it forbids', async () => {
  const world = createFakeWorld()
  world.disk.set('/policy.yaml', 'it: nonsense\n')
  await assert.rejects(createPolicy(world, [rule('it', '@')], { file: '/policy.yaml' }), /policy.yaml:1: 'nonsense' is not a check/)
})

test('explains which part decided', async () => {
  const policy = await createPolicy(createFakeWorld(), [rule('it', 'role:admin or (role:reader and project_name:services)')])
  assert.deepEqual(policy.explain('it', identityOf()), {
    allowed: false,
    decisions: [
      { part: 'role:admin', allowed: false },
      { part: 'role:reader', allowed: true },
      { part: 'project_name:services', allowed: false },
    ],
  })
  assert.equal(policy.allows('no-such-rule', identityOf({ roles: ['admin'] })), false)
})
