import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { auditNames, hourlyDue, hourMs, nextAuditAtMs, planAudit, questionOf, type AuditName, type AuditSubject } from './audit-plan.ts'

const noon = Date.UTC(2026, 5, 1, 12)
const subject = (changes: Partial<AuditSubject> = {}): AuditSubject => ({
  subcloudId: 7,
  managementState: 'managed',
  firstIdentitySyncComplete: false,
  requested: [],
  lastFinishedAtMs: noon - 1,
  failCount: 0,
  ...changes,
})
const alone = { orchestrator: false, nowMs: noon }

test('an unmanaged subcloud is asked for nothing but the base, whatever was requested', () => {
  const plan = planAudit(subject({ managementState: 'unmanaged', requested: auditNames, failCount: 3 }), alone)
  assert.deepEqual(plan, { ask: [], requested: [] })
})

test('with an orchestrator the first identity sync comes before the named audits', () => {
  const site = { orchestrator: true, nowMs: noon }
  assert.deepEqual(planAudit(subject(), site).ask, [])
  assert.deepEqual(planAudit(subject({ firstIdentitySyncComplete: true }), site).ask, ['kubernetes', 'software'])
})

const plans: [string, Partial<AuditSubject>, AuditName[], AuditName[]][] = [
  ['an ordinary audit', {}, ['kubernetes', 'software'], []],
  ['firmware requested', { requested: ['firmware'] }, ['firmware', 'kubernetes', 'software'], ['firmware']],
  ['software requested', { requested: ['software'] }, ['kubernetes', 'software'], ['software']],
  ['never audited before', { lastFinishedAtMs: undefined }, [...auditNames], []],
  ['after a failure', { failCount: 1 }, [...auditNames], []],
  ['more than an hour ago', { lastFinishedAtMs: noon - hourMs - 1 }, [...auditNames], []],
]
for (const [what, changes, ask, requested] of plans)
  test(`${what}: ${ask.join(', ')}`, () => assert.deepEqual(planAudit(subject(changes), alone), { ask, requested }))

test('the hourly audits of a subcloud audited every 30 s come once an hour', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 0, max: hourMs }), (id, offset) => {
      const times = Array.from({ length: 10 * 120 + 1 }, (_, index) => noon + offset + index * 30_000)
      const due = times.slice(1).filter((at, index) => hourlyDue(id, times[index], at))
      assert.equal(due.length, 10)
    }),
    { numRuns: 50 },
  ))

test('audits keep the interval on average and never run closer than half of it', () =>
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.integer({ min: 1, max: 14_000 }), { minLength: 20, maxLength: 60 }),
      (id, takenMs) => {
        let at = noon
        const starts = [at]
        for (const taken of takenMs) {
          const next = nextAuditAtMs(id, at, at + taken, 30_000)
          assert.ok(next - at >= 15_000 && next - at <= 45_001, `${next - at}`)
          at = next
          starts.push(at)
        }
        const average = (starts.at(-1)! - starts[1]!) / (starts.length - 2)
        assert.ok(Math.abs(average - 30_000) <= 1, `${average}`)
      },
    ),
  ))

test('a fleet that became due at one moment is spread evenly by its next audits', () => {
  const perSecond = new Map<number, number>()
  for (let id = 1; id <= 3_000; id += 1) {
    const second = Math.floor((nextAuditAtMs(id, noon, noon + 100, 30_000) - noon) / 1_000)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
  }
  for (const [second, count] of perSecond) assert.ok(count <= 105, `${count} in second ${second}`)
})

test('the request holds the reference data; what is empty is assumed, what is unknown is left out', () => {
  const plan = { ask: auditNames, requested: ['kube-rootca'] } as const
  const full = questionOf(plan, { deviceImages: [{ uuid: 'x' }], kubernetesVersion: 'v1.29.2', deployedReleaseIds: ['r-26.09.1'] })
  assert.deepEqual(full.request, {
    base_audit: '',
    firmware_audit: [{ uuid: 'x' }],
    kubernetes_audit: 'v1.29.2',
    kube_rootca_audit: true,
    software_audit: { deployed_release_ids: ['r-26.09.1'] },
    use_cache: false,
  })
  assert.deepEqual(full.assumed, [])
  const empty = questionOf(plan, { deviceImages: [], kubernetesVersion: '', deployedReleaseIds: [] })
  assert.deepEqual(empty.assumed, ['firmware', 'kubernetes', 'software'])
  assert.deepEqual(empty.request, { base_audit: '', kube_rootca_audit: true, use_cache: false })
  const unknown = questionOf({ ask: auditNames, requested: ['software', 'firmware'] }, {})
  // What is requested and can't be asked does not cost the agent its cache.
  assert.deepEqual(unknown, { request: { base_audit: '', kube_rootca_audit: true }, asked: ['kube-rootca'], assumed: [] })
})

test('the cache of the agent is bypassed for what is requested and asked, and for nothing else', () => {
  const known = { deviceImages: [], kubernetesVersion: 'v1.29.2' }
  const useCacheOf = (requested: readonly AuditName[]) => questionOf({ ask: auditNames, requested }, known).request.use_cache
  assert.equal(useCacheOf([]), undefined)
  assert.equal(useCacheOf(['kubernetes']), false)
  assert.equal(useCacheOf(['software', 'kubernetes']), false)
  assert.equal(useCacheOf(['software']), undefined, 'not known now')
  assert.equal(useCacheOf(['firmware']), undefined, 'nothing to compare with, so not asked')
})
