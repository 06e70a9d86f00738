import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { CommandFailed, exitCodes } from './exit.ts'
import { answerOf } from './terminal.ts'

const asked = (terminal: boolean) => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  return { input, answer: answerOf(createInterface({ input, output, terminal }), 'Password: ') }
}
const interrupted = (error: unknown): boolean => error instanceof CommandFailed && error.exitCode === exitCodes.interrupted

test('a question is answered by a line', async () => {
  const { input, answer } = asked(false)
  input.write('yes\n')
  assert.equal(await answer, 'yes')
})

test('without an answer the command ends as interrupted, on Ctrl-C, Ctrl-D and at the end of the input', async () => {
  for (const key of ['\u0003', '\u0004']) {
    const { input, answer } = asked(true)
    input.write(key)
    await assert.rejects(answer, interrupted)
  }
  const { input, answer } = asked(false)
  input.end()
  await assert.rejects(answer, interrupted)
})
