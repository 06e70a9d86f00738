import { mkdtempSync, readFileSync, rmSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createRealWorld } from '@murmuration/world'
import { backupStatusPage } from './docs/backup-status.ts'
import { configurationPage, optionsTable } from './docs/configuration.ts'
import { deployStatusPage } from './docs/deploy-status.ts'
import { errorsPage } from './docs/errors.ts'
import { limitsTable } from './docs/limits.ts'
import { between } from './docs/markdown.ts'
import { openapiDocuments } from './docs/openapi.ts'
import { policiesPage } from './docs/policies.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** Every page that is made from the code: path in the repository → what must stand there. Writes nothing. */
export async function generateDocs(): Promise<ReadonlyMap<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-docs-'))
  const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
  try {
    const options = await optionsTable(world, folder, repository)
    const documents = await openapiDocuments(world, folder)
    return new Map([
      ['docs/reference/deploy-status.md', deployStatusPage(read('services/dcmanager/src/work/phases.ts'))],
      ['docs/reference/backup-status.md', backupStatusPage()],
      ['docs/reference/policies.md', policiesPage()],
      ['docs/reference/errors.md', errorsPage()],
      ['docs/reference/configuration.md', configurationPage(options)],
      ['docs/operator-guide.md', between(read('docs/operator-guide.md'), 'options', options)],
      ['docs/architecture.md', between(read('docs/architecture.md'), 'limits', limitsTable(repository))],
      ...[...documents].map(([service, text]): [string, string] => [`docs/reference/openapi/${service}.json`, text]),
    ])
  } finally {
    await world.net.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  for (const [path, text] of await generateDocs()) {
    mkdirSync(dirname(join(repository, path)), { recursive: true })
    writeFileSync(join(repository, path), text)
    process.stdout.write(`${path}\n`)
  }
}
