import { DatabaseSync } from 'node:sqlite'
import type { World } from '@murmuration/world'
import { Reader } from '../check/reader.ts'
import { RequestCheck } from '../check/requests.ts'
import { OperatorClient } from '../operator/client.ts'
import * as requests from '../operator/requests.ts'
import { Fleet } from './fleet.ts'
import { effectOn } from './effects.ts'
import { deployedCount, varFolder } from './places.ts'
import { firstStartMs, type Prepared } from './prepared.ts'

/** A fleet as it was left by operators who met no fault: where every seed begins. */
export interface Template {
  /** Database file to copy. */
  readonly path: string
  readonly files: ReadonlyMap<string, Uint8Array>
  /** When it was left. */
  readonly endMs: number
}

const unmanagedOf = 4
const longestMs = 600_000

/** Built by the product itself, through its API, once for each thread: the same for all seeds and on every machine. */
export async function buildTemplate(prepared: Prepared, path: string): Promise<Template> {
  createDatabase(path)
  let requestCheck: RequestCheck | undefined
  let failure: Error | undefined
  const fleet: Fleet = new Fleet(
    {
      seed: 'template',
      startMs: firstStartMs,
      databaseUrl: `sqlite:${path}`,
      prepared,
      shape: { api: 1, manager: 1, audit: 1, state: 1 },
    },
    {
      committed: () => requestCheck?.committed(),
      tap: (endpoint, process) => requestCheck!.tap(endpoint, process),
      auditsUnderWay: () => {},
      playbookStarted: () => {},
      playbookSucceeded: (run) => effectOn(fleet, reader, run),
      playbookEnded: () => {},
    },
  )
  const reader = new Reader(path)
  requestCheck = new RequestCheck(reader, (violation) => (failure = violation))
  const { simulation } = fleet
  const client = new OperatorClient(fleet.counter, requestCheck)
  await simulation.complete(fleet.install(new Map()))
  fleet.startAll()
  const until = async (condition: () => boolean): Promise<void> => {
    await simulation.run({ until: () => failure !== undefined || condition(), untilMs: simulation.nowMs + longestMs })
    if (failure !== undefined) throw failure
  }
  await until(() => fleet.processes.every((process) => process.ready))
  const add = async (site: number): Promise<void> => {
    const extent = { install: site % 3 === 0, config: site % 4 === 0 }
    await client.call('template', requests.add(site, requests.siteName(site), false, extent), false)
  }
  for (let site = 1; site <= deployedCount; site += 1) await simulation.complete(add(site))
  await until(() => {
    const rows = reader.subclouds()
    return rows.length === deployedCount && rows.every((row) => row.deploy_status === 'complete' && row.availability_status === 'online')
  })
  for (let id = 1; id <= deployedCount - unmanagedOf; id += 1)
    await simulation.complete(client.call('template', requests.manage(id, 'managed', false), false))
  const audited = new Set(['dc-cert', 'firmware', 'kubernetes', 'kube-rootca', 'software'])
  await until(() =>
    reader
      .statuses()
      .every(
        (status) =>
          status.subcloud_id > deployedCount - unmanagedOf || !audited.has(status.endpoint_type) || status.sync_status === 'in-sync',
      ),
  )
  fleet.supervised = false
  for (const process of fleet.processes) await simulation.complete(process.stop())
  const files = await simulation.complete(filesOf(fleet.hand.world))
  reader.close()
  return { path, files, endMs: firstStartMs + simulation.nowMs }
}

/** In WAL mode from the start, so that nobody has to wait for its change. */
export function createDatabase(path: string): void {
  const database = new DatabaseSync(path)
  database.exec('pragma journal_mode = wal')
  database.close()
}

/** A seed's own database. */
export const copyDatabase = (template: Template, path: string): void => copyDatabaseFile(template.path, path)

export function copyDatabaseFile(from: string, path: string): void {
  const database = new DatabaseSync(from)
  database.exec('pragma synchronous = off')
  database.exec(`vacuum into '${path}'`)
  database.close()
  createDatabase(path)
}

/** The secrets of a controller that its database does not hold. */
export async function filesOf({ files }: World): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  const walk = async (path: string): Promise<void> => {
    const names = await files.list(path)
    for (const name of names) await walk(`${path}/${name}`)
    const data = names.length === 0 ? await files.read(path) : undefined
    if (data !== undefined) found.set(path, data)
  }
  for (const folder of ['vault/subclouds', 'keys']) await walk(`${varFolder}/${folder}`)
  return found
}
