import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Context } from '../commands/context.ts'
import { CommandFailed } from '../exit.ts'
import { buildProgram } from '../program.ts'

export interface Said {
  readonly out: string
  readonly err: string
}

/** The command line in this process: what it prints on both streams, or how it ends. `meanwhile` is awaited while it runs. */
export function commandIn(t: TestContext, context: Context, meanwhile?: (done: () => boolean) => Promise<void>) {
  return async (...words: string[]): Promise<Said> => {
    let [out, err] = ['', '']
    // What is no text is the test runner's own.
    const catching = (stream: NodeJS.WriteStream, take: (text: string) => void) => {
      const write = stream.write.bind(stream)
      return t.mock.method(stream, 'write', (text: string | Uint8Array) => (typeof text === 'string' ? (take(text), true) : write(text)))
    }
    const streams = [catching(process.stdout, (text) => (out += text)), catching(process.stderr, (text) => (err += text))]
    let ended = false
    try {
      const running = buildProgram(context)
        .parseAsync(words, { from: 'user' })
        .finally(() => (ended = true))
      running.catch(() => {})
      await meanwhile?.(() => ended)
      await running
      return { out, err }
    } catch (error) {
      throw Object.assign(error as Error, { said: { out, err } })
    } finally {
      for (const stream of streams) stream.mock.restore()
    }
  }
}

/** For `assert.rejects`: the command ended with this code and said so. */
export const ends = (code: number, wanted: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CommandFailed, String(error))
  assert.equal(error.exitCode, code, error.message)
  assert.match(`${error.message} ${error.hint ?? ''}`, wanted)
  return true
}

/** One cell a line: `name value`. */
export const valueOf = ({ out }: Said, field: string): string | undefined =>
  out
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .find(([, name]) => name === field)?.[2]
