import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('main.js', import.meta.url))

/** Tells on stderr, at the end, which packages a process has loaded. */
const telling = `
import { registerHooks } from 'node:module'
const loaded = new Set()
registerHooks({
  load(url, context, next) {
    const [, outside, ours] = /node_modules\\/((?:@[^/]+\\/)?[^/]+)|\\/((?:packages|services)\\/[^/]+)\\//.exec(url) ?? []
    loaded.add(outside ?? ours)
    return next(url, context)
  },
})
process.on('exit', () => process.stderr.write('loaded ' + JSON.stringify([...loaded]) + '\\n'))
`

/** What a command loads until it finds that its site file is not there, or that it has no account. */
function packagesOf(...words: string[]): string[] {
  const { stderr } = spawnSync(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(telling)}`, program, ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nowhere' },
  })
  return JSON.parse(/^loaded (.*)$/m.exec(stderr)?.[1] ?? 'null') as string[]
}

/** A tenth of a second of the processor each, and more; playbooks start these commands many times on machines with few cores. */
const heavy = ['undici', 'fastify', 'prom-client', 'kysely', 'pg']
const begun: readonly { readonly words: readonly string[]; readonly needs: readonly string[] }[] = [
  { words: ['stop', '--site', '/nowhere.yaml'], needs: [] },
  { words: ['site', 'ownership', 'show', '--site', '/nowhere.yaml'], needs: ['kysely'] },
  { words: ['subcloud', 'list'], needs: [] },
]

describe('a command loads what it needs', () => {
  for (const { words, needs } of begun)
    it(words.join(' '), () => {
      const packages = packagesOf(...words)
      assert.ok(packages.includes('commander'), 'the hook saw the program')
      assert.deepEqual(
        heavy.filter((name) => packages.includes(name)),
        needs,
      )
    })
})
