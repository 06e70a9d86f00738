import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eachEngine } from '@murmuration/data/testing'
import { identityMigrations } from './migrations/index.ts'
import { headSequence, pruneRevocations, revocationsAfter, revoke } from './revocations.ts'
import type { IdentityTables } from './schema.ts'

const times = { atMs: 1000, expiresAtMs: 2000 }

eachEngine('revocations', (engine) => {
  test('a second writer gets its number only when the first has committed: no smaller number ever comes later', async () => {
    const db = await engine.open<IdentityTables>(identityMigrations)
    let secondHasNumber = false
    const firstHasNumber = Promise.withResolvers<void>()
    const first = db.transaction(async (tx) => {
      await revoke(tx, [{ userId: 'first' }], times)
      firstHasNumber.resolve()
      // Many turns on the database: time enough for the second if nothing held it.
      for (let turn = 0; turn < 100; turn++) await headSequence(tx)
      assert.equal(secondHasNumber, false)
    })
    await firstHasNumber.promise
    const second = db.transaction(async (tx) => {
      await revoke(tx, [{ userId: 'second' }], times)
      secondHasNumber = true
    })
    await Promise.all([first, second])
    assert.deepEqual(
      (await revocationsAfter(db, 0)).map((entry) => entry.userId),
      ['first', 'second'],
    )
  })

  test('pruning keeps what still counts, and the newest for its number', async () => {
    const db = await engine.open<IdentityTables>(identityMigrations)
    await db.transaction((tx) => revoke(tx, [{ userId: 'a' }, { roleId: 'b' }], times))
    await db.transaction((tx) => revoke(tx, [{ auditId: 'c' }], { atMs: 1000, expiresAtMs: 9000 }))
    await db.transaction((tx) => revoke(tx, [{ userId: 'd', projectId: 'p' }], times))
    const head = await headSequence(db)
    await db.transaction((tx) => pruneRevocations(tx, 5000))
    assert.equal(await headSequence(db), head)
    const left = await revocationsAfter(db, 0)
    assert.deepEqual(
      left.map(({ auditId, userId, projectId }) => ({ auditId, userId, projectId })),
      [
        { auditId: 'c', userId: undefined, projectId: undefined },
        { auditId: undefined, userId: 'd', projectId: 'p' },
      ],
    )
    assert.deepEqual(await revocationsAfter(db, head), [])
  })
})
