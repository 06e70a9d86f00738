import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { phaseEdges } from './docs/deploy-status.ts'
import { valueOf } from './docs/limits.ts'
import { between, table } from './docs/markdown.ts'
import { generateDocs } from './generate-docs.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

test('the generated pages are those of the code (npm run docs)', async () => {
  for (const [path, text] of await generateDocs()) {
    const file = join(repository, path)
    assert.ok(existsSync(file), `${path} is missing: npm run docs`)
    if (readFileSync(file, 'utf8') === text) continue
    const committed = readFileSync(file, 'utf8').split('\n')
    const line = text.split('\n').findIndex((each, index) => each !== committed[index])
    assert.fail(`${path} line ${line + 1} is not what the code says: npm run docs`)
  }
})

test('every link between the documents leads somewhere', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'docs/operator-guide.md', 'docs/architecture.md']
  for (const page of pages) {
    const text = readFileSync(join(repository, page), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? join(repository, page) : join(repository, dirname(page), path)
      assert.ok(existsSync(file), `${page}: ${target}`)
      if (anchor === undefined || !file.endsWith('.md')) continue
      const anchors = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      )
      assert.ok(anchors.includes(anchor), `${page}: ${target} has no such heading`)
    }
  }
})

test('markers, tables and values are refused rather than guessed', () => {
  assert.equal(between('a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb', 'x', 'new'), 'a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nb')
  assert.throws(() => between('nothing', 'x', 'new'), /needs <!-- x:begin -->/)
  assert.equal(table(['a'], [['x | y\nz']]), '| a |\n| --- |\n| x \\| y z |')
  assert.equal(valueOf('const patienceMs = 55_000', 'patienceMs'), 55_000)
  assert.equal(valueOf('maxBytes: options.maxBytes ?? 32 * 1024 * 1024,', 'maxBytes'), 33_554_432)
  assert.equal(valueOf("'audit.intervalMs': option('time', seconds('ms', 86_400_000), () => 30_000),", 'audit.intervalMs'), 30_000)
  assert.throws(() => valueOf('const other = 1', 'patienceMs'), /no value of patienceMs/)
  assert.throws(() => phaseEdges('nothing of that shape'), /another shape/)
})
