import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '@murmuration/data'
import { dcmanagerMigrations } from '@murmuration/dcmanager'
import type { Schema } from '@murmuration/dcmanager/bench'
import { openBus } from '@murmuration/rpc'
import { loadSiteConfig, type Site } from '@murmuration/site'
import { createAuthority, openKeyring } from '@murmuration/trust'
import type { World } from '@murmuration/world'

/** A system controller in a folder of its own: what dcmanager needs of a site and nothing that would cost time beside it. */
export async function openBenchSite(world: World, changes: Partial<Site> = {}): Promise<Site & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'murmur-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'site.yaml')
  writeFileSync(file, JSON.stringify({ name: 'controller', role: 'system-controller', varFolder: join(folder, 'var') }), { mode: 0o600 })
  const config = await loadSiteConfig(world, file, {})
  const database = await openDatabase<Schema>(process.env['BENCH_DATABASE'] ?? `sqlite:${join(folder, 'dcmanager.db')}`, {
    world,
    name: 'dcmanager',
  })
  await database.migrate(dcmanagerMigrations)
  const absent = (): never => {
    throw new Error('not in this benchmark')
  }
  return {
    folder,
    world,
    config,
    keyring: await openKeyring(world, `${config.varFolder}/secrets/keys.json`),
    authority: await createAuthority(world, `${config.varFolder}/ca`, 'bench'),
    bus: await openBus('in-process:', { world, name: 'bench' }),
    tokens: { validate: absent },
    session: {
      token: () => Promise.reject(new Error('no platform service')),
      invalidate: () => undefined,
      endpointUrl: async () => undefined,
    },
    openDatabase: async () => database as never,
    processId: `bench-${process.pid}`,
    close: async () => undefined,
    ...changes,
  }
}
