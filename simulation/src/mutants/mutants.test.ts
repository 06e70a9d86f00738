import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { mutated } from './apply.ts'
import { hunt } from './hunt.ts'
import { mutants } from './list.ts'

test('every mutant still finds its guard in the product', () => {
  for (const mutant of mutants) {
    const source = readFileSync(new URL(`../../../${mutant.file}`, import.meta.url), 'utf8')
    assert.notEqual(mutated(source, mutant), source, mutant.name)
  }
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
})

test('the README tells of every mutant who notices it, and of no other', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const table = readme.slice(readme.indexOf('| guard that is missing |'), readme.indexOf('Not in the list'))
  const told = [...table.matchAll(/^\| (?!guard|-)(.+?)(?: \((?:geo|backup)\))? \|/gm)].map(([, name]) => name!)
  assert.deepEqual(told.toSorted(), mutants.map(({ name }) => name).toSorted())
})

/** A sample of those that are caught soon, of each scenario; `npm run simulate -- --mutants` hunts all of them. */
const soonCaught = [
  ['what is not online, managed and complete is backed up', 'lifecycle'],
  ['members leave a peer group at its standby', 'standby'],
  ['writes do not count the revision up', 'change-log'],
  ['one failed audit makes offline', 'offline-rule'],
  ['answers are not kept for repeated requests', 'accepted-twice'],
] as const

for (const [name, invariant] of soonCaught)
  test(`without this guard some seed fails: ${name}`, async () => {
    const mutant = mutants.find((each) => each.name === name)
    assert.ok(mutant)
    const { caught } = await hunt(mutant, { threads: 1, from: 1, most: 40 })
    assert.match(caught?.by ?? '', new RegExp(`, ${invariant}$`))
  })
