import type { TestContext } from 'node:test'
import { openDatabase, type Database } from '@murmuration/data'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import { createRealWorld, type ProcessExit, type ProcessSpec, type World } from '@murmuration/world'
import { networkKeys } from '../../rules/addresses.ts'
import type { Phase } from '../../rules/operations.ts'
import { claimNewSubcloud, type Claimed, type Desk } from '../../store/claims.ts'
import type { Documents } from '../../store/documents.ts'
import { migrations } from '../../store/migrations/index.ts'
import type { Schema } from '../../store/schema.ts'
import { bootstrapValues, testSite } from './test-site.ts'

/** What a playbook does in a test; gets its name and the spec. Default: it ends well. */
export type Script = (playbook: string, spec: ProcessSpec) => Promise<Partial<ProcessExit> | void>

export interface Fleet {
  readonly site: Site
  readonly database: Database<Schema>
  readonly desk: Desk
  /** Names of the playbooks that were started, in order. */
  readonly played: string[]
  add(phases: readonly Phase[], documents?: Documents): Promise<Claimed>
  status(id: number): Promise<{ deploy_status: string; error_description: string }>
}

export const asker = { userId: 'u1', requestId: 'req-1' }
export const event = (fields: object): string => JSON.stringify(fields)

/** A controller with a database and scripted playbooks; the test runs the managers. */
export async function openFleet(
  t: TestContext,
  script: Script = async () => {},
  options: { readonly ports?: Record<string, number> } = {},
): Promise<Fleet> {
  const played: string[] = []
  // Timers of managers that "died" must not hold the process; the test itself does.
  const hold = setInterval(() => {}, 1_000)
  t.after(() => clearInterval(hold))
  const real = createRealWorld({ log: { level: 'silent' } })
  const world: World = { ...real, processes: scripted(played, script) }
  const site = await testSite(t, { world, ...options })
  const database = await openDatabase<Schema>('sqlite::memory:', { world, name: 'dcmanager' })
  t.after(() => database.close())
  await database.migrate(migrations)
  const desk: Desk = { database, world, keyring: site.keyring, wakeManagers() {}, wakeAuditors() {}, wakeReaders() {} }
  let count = 0
  return {
    site,
    database,
    desk,
    played,
    add(phases, documents = {}) {
      count += 1
      const values = bootstrapValues(`127.201.${count}.2`)
      const network = {
        subnet: values.management_subnet,
        start: values.management_start_address,
        end: values.management_end_address,
        gateway: values.management_gateway_address,
      }
      return claimNewSubcloud(desk, asker, () => '', {
        columns: columnsOf(`edge-${count}`, count.toString(16).padStart(32, '0'), network),
        groupId: undefined,
        documents: { bootstrap_values: values, ...documents },
        network: { keys: networkKeys(network), oam: undefined, field: 'management' },
        operation: 'subcloud.add',
        phases,
        sysadminPassword: new Secret('sysadmin-secret'),
      })
    },
    status: (id) =>
      database.query.selectFrom('subclouds').select(['deploy_status', 'error_description']).where('id', '=', id).executeTakeFirstOrThrow(),
  }
}

/** A subcloud of this network, as a request would say it. */
export const columnsOf = (
  name: string,
  region: string,
  network: { readonly subnet: string; readonly gateway: string; readonly start: string; readonly end: string },
) =>
  ({
    name,
    description: null,
    location: null,
    software_version: '26.09',
    region_name: region,
    management_subnet: network.subnet,
    management_gateway_ip: network.gateway,
    management_start_ip: network.start,
    management_end_ip: network.end,
    systemcontroller_gateway_ip: '127.0.0.254',
    external_oam_subnet_ip_family: '4',
    data_install: null,
    bootstrap_address: network.start,
  }) as const

const scripted = (played: string[], script: Script): World['processes'] => ({
  async start(spec) {
    const playbook = spec.args.at(-1)!.split('/').at(-1)!
    played.push(playbook)
    spec.onLine?.('stdout', event({ event: 'play', play: playbook }))
    spec.onLine?.('stdout', event({ event: 'task', number: 1, task: 'the only task' }))
    const end = async (): Promise<ProcessExit> => ({ code: 0, signal: null, reason: 'exited', ...(await script(playbook, spec)) })
    const done = end()
    done.catch(() => {})
    return { pid: 1, done }
  },
})

/** A script's playbook that runs until it is ended. */
export const untilAborted = (spec: ProcessSpec): Promise<Partial<ProcessExit>> =>
  new Promise((resolve) => {
    const end = (): void => resolve({ code: null, signal: 'SIGTERM', reason: 'aborted' })
    if (spec.signal?.aborted === true) end()
    spec.signal?.addEventListener('abort', end, { once: true })
  })
