import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandFailed } from '../exit.ts'
import { renderList, renderShow } from './format.ts'

const rows = [
  { id: 10, name: 'b', 'deploy status': 'complete' },
  { id: 9, name: 'a "quoted", name', 'deploy status': null },
]
const columns = ['id', 'name', 'deploy status']

test('the five formats of a list', () => {
  assert.equal(renderList(columns, rows, { format: 'value' }, false), '10 b complete\n9 a "quoted", name -')
  assert.equal(renderList(columns, rows, { format: 'csv' }, false), 'id,name,deploy status\n10,b,complete\n9,"a ""quoted"", name",-')
  assert.deepEqual(JSON.parse(renderList(columns, rows, { format: 'json' }, false)), rows)
  assert.match(renderList(columns, rows, { format: 'yaml' }, false), /^- id: 10\n {2}name: b/)
  const lines = renderList(columns, rows, {}, false).split('\n')
  assert.equal(lines.length, 6)
  assert.match(lines[0] ?? '', /^\+-+\+-+\+-+\+$/)
  assert.match(lines[1] ?? '', /^\| id \| name +\| deploy status \|$/)
  assert.equal(lines[2], lines[0])
})

test('columns are found whatever their spelling, and sorting is by value', () => {
  assert.equal(renderList(columns, rows, { format: 'value', column: ['DEPLOY_STATUS', 'id'], sortColumn: 'id' }, false), '- 9\ncomplete 10')
  assert.throws(
    () => renderList(columns, rows, { column: ['nope'] }, false),
    (error) => error instanceof CommandFailed && error.exitCode === 2 && /Columns: id, name/.test(error.hint ?? ''),
  )
  assert.throws(
    () => renderShow({ id: 1 }, { format: 'xml' }, false),
    (error) => error instanceof CommandFailed && error.exitCode === 2,
  )
})

test('control characters from a site do not reach the terminal', () => {
  const shown = renderShow({ name: 'x\u001b[2Jy\u0007\u009b' }, { format: 'value' }, false)
  assert.equal(shown, 'x\\x1b[2Jy\\x07\\x9b')
})

test('colour only when asked for', () => {
  assert.doesNotMatch(renderList(['sync'], [{ sync: 'in-sync' }], {}, false), /\u001b/)
  assert.match(renderList(['sync'], [{ sync: 'in-sync' }], {}, true), /\u001b\[32m/)
})
