import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRealWorld } from '@murmuration/world'
import type { Command } from 'commander'
import { buildProgram } from './program.ts'

const leaves = (command: Command, path: string): string[] =>
  command.commands.length === 0 ? [path] : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`))

test('the command line is one tree: each command once, each with words about itself', () => {
  const program = buildProgram({ world: createRealWorld(), environment: {} })
  const paths = leaves(program, 'murmur')
  assert.ok(paths.length > 30)
  assert.deepEqual(paths, [...new Set(paths)])
  const silent = (command: Command): string[] => [
    ...(command.description() === '' ? [command.name()] : []),
    ...command.commands.flatMap(silent),
  ]
  assert.deepEqual(silent(program), [])
})
