import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realLog, type LogLevel } from './log.ts'

function recorded(level?: LogLevel) {
  const lines: string[] = []
  const log = realLog({ ...(level === undefined ? {} : { level }), destination: { write: (line) => void lines.push(line) } })
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> }
}

void test('one JSON object a line, with bindings, by level', () => {
  const { log, lines, last } = recorded()
  log.debug('not shown')
  log.child({ service: 'dcmanager' }).child({ requestId: 'req-1' }).warn('audit late', { lateMs: 5 })
  assert.equal(lines.length, 1)
  const { time, pid, ...rest } = last()
  assert.deepEqual(rest, { level: 'warn', service: 'dcmanager', requestId: 'req-1', lateMs: 5, msg: 'audit late' })
  assert.equal(pid, process.pid)
  assert.ok(!Number.isNaN(Date.parse(String(time))))
})

void test('nothing that a stranger sends acts on a screen or makes a second line', () => {
  const { log, lines, last } = recorded()
  const evil = 'a\r\nb\u001b[2Jc\u009b31md\u2028e\u202ef\u007f'
  log.info(evil, { name: evil, [evil]: 1 })
  assert.equal(lines.length, 1)
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(lines[0]!.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
  assert.equal(last()['name'], evil)
})

void test('errors show code, message and causes; a stack only when nobody expected them', () => {
  const { log, last } = recorded()
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  log.error('audit failed', { error: Object.assign(new Error('no answer', { cause }), { code: 'refused' }) })
  assert.deepEqual(last()['error'], {
    name: 'Error',
    code: 'refused',
    message: 'no answer',
    cause: { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' },
  })
  log.error('defect', { error: new TypeError('x is not a function') })
  assert.match((last()['error'] as { stack: string }).stack, /log\.test\.ts/)
})

void test('a field does not replace what the line itself says, and circles do no harm', () => {
  const { log, lines, last } = recorded()
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const endless = new Error('loop')
  endless.cause = endless
  log.info('fine', { level: 'fake', msg: 'fake', time: 0, circle, endless })
  assert.equal(lines.length, 1)
  assert.equal(last()['level'], 'info')
  assert.equal(last()['msg'], 'fine')
  assert.equal(last()['msg_'], 'fake')
})
