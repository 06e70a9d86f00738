import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { command, startRedis } from 'kysely-redis/testing'
import { packKyselyRedis } from './pack-kysely-redis.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

test('kysely-redis stands alone: packed, installed in an empty folder, the program of its README is well typed and runs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'murmur-packed-'))
  const redis = await startRedis()
  try {
    packKyselyRedis(join(folder, 'node_modules/kysely-redis'))
    for (const other of ['kysely', '@types']) symlinkSync(join(repository, 'node_modules', other), join(folder, 'node_modules', other))
    const [, program = ''] = /```ts\n(.*?)```/s.exec(readFileSync(join(repository, 'packages/kysely-redis/README.md'), 'utf8')) ?? []
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'shop.ts'), program.replace('redis://127.0.0.1:6379', redis.url))
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--types', 'node']
    execFileSync(join(repository, 'node_modules/.bin/tsc'), [...flags, 'shop.ts'], { cwd: folder })
    assert.equal(execFileSync(process.execPath, ['shop.ts'], { cwd: folder, encoding: 'utf8' }), "[ { id: 1, name: 'ada' } ]\n")
    assert.ok(Number(await command(redis.port, ['DBSIZE'])) > 0)
  } finally {
    await redis.stop()
    rmSync(folder, { recursive: true })
  }
})
