import type { TestContext } from 'node:test'
import { openDatabase, timestamp, type Database } from '@murmuration/data'
import { createWorker, type JobKind } from '@murmuration/jobs'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import type { World } from '@murmuration/world'
import type { SeenOwner } from '../../rules/ownership.ts'
import { claimMigration } from '../../store/migration-claims.ts'
import { insertPeerGroup } from '../../store/peer-groups.ts'
import { migrations } from '../../store/migrations/index.ts'
import { writeDocuments } from '../../store/documents.ts'
import type { Desk } from '../../store/claims.ts'
import { endpointTypes, type Schema } from '../../store/schema.ts'
import type { SubcloudColumns } from '../../store/subclouds.ts'
import type { OwnSystem } from '../controller-facts.ts'
import { migrateKind } from '../migrate.ts'
import { PlaybookFailed } from '../playbooks/failure.ts'
import type { PlaybookRun, PlaybookRunner } from '../playbooks/run-playbook.ts'
import { rehomeKind, type RehomeParts } from '../rehome.ts'
import { noPeers, type RehomePeers } from '../rehome-peers.ts'
import { bootstrapValues, testSite } from './test-site.ts'

/** Sites as their hosts know them: who owns each, by its region. Shared by the controllers that fight for them. */
export class FakeSites {
  readonly owners = new Map<string, SeenOwner>()
  /** Playbooks that came to a good end with the site, as `controller epoch region`. */
  readonly taken: string[] = []

  seen(region: string): SeenOwner {
    return this.owners.get(region) ?? { owner: null, ownerName: null, epoch: 0, silentMs: null }
  }

  /** As `murmur site ownership claim`. */
  claim(region: string, owner: string, ownerName: string, epoch: number): boolean {
    const now = this.seen(region)
    if (epoch < now.epoch || (epoch === now.epoch && owner !== now.owner)) return false
    this.owners.set(region, { owner, ownerName, epoch, silentMs: 0 })
    return true
  }
}

export interface TakeoverBench {
  readonly site: Site
  readonly database: Database<Schema>
  readonly desk: Desk
  readonly sites: FakeSites
  readonly groupId: number
  /** Playbooks at work now, and the most that there were at once. */
  readonly atWork: { now: number; most: number }
  readonly played: string[]
  /** Called before each playbook does its work; may fail it or hold it. */
  before: (run: PlaybookRun, region: string) => Promise<void>
  kinds(world?: World): readonly JobKind<never, never>[]
  worker(world?: World, owner?: string): ReturnType<typeof createWorker>
  add(count: number, columns?: SubcloudColumns): Promise<number[]>
  migrate(witnessed?: boolean): Promise<string>
  rows(): Promise<{ id: number; deploy_status: string; management_state: string; owner_epoch: number; error_description: string }[]>
}

export interface TakeoverOptions {
  readonly sites?: FakeSites
  readonly system?: OwnSystem
  readonly world?: World
  readonly peers?: RehomePeers
  readonly database?: Database<Schema>
  readonly atOnce?: number
}

const asker = { userId: 'u1', requestId: 'req-1' }

/** A standby controller with a peer group, and sites that belong to another one; playbooks do to the sites what the real ones do. */
export async function takeoverBench(t: TestContext, options: TakeoverOptions = {}): Promise<TakeoverBench> {
  const base = await testSite(t)
  const world = options.world ?? base.world
  const site: Site = { ...base, world: { ...base.world, clock: world.clock, timers: world.timers, random: world.random, log: world.log } }
  const system = options.system ?? { uuid: 'bbbbbbbb-0000-4000-8000-000000000002', name: 'south' }
  const sites = options.sites ?? new FakeSites()
  const database = options.database ?? (await openDatabase<Schema>('sqlite::memory:', { world: base.world, name: 'dcmanager' }))
  t.after(() => database.close())
  await database.migrate(migrations)
  const group = await insertPeerGroup(database, world, {
    peer_group_name: 'spg',
    group_priority: 1,
    group_state: 'enabled',
    max_subcloud_rehoming: options.atOnce ?? 3,
    system_leader_id: 'aaaaaaaa-0000-4000-8000-000000000001',
    system_leader_name: 'north',
    migration_status: null,
  })
  const desk: Desk = { database, world, keyring: site.keyring, wakeManagers() {}, wakeAuditors() {}, wakeReaders() {} }
  const atWork = { now: 0, most: 0 }
  const played: string[] = []

  const playbooks: PlaybookRunner = {
    async run(run): Promise<Readonly<Record<string, string>>> {
      const name = run.playbook.split('/').at(-1)!
      const variables = run.variables('/run') as Record<string, unknown>
      const region = variables['region_name'] as string
      played.push(`${name} ${run.subcloudId}`)
      atWork.now += 1
      atWork.most = Math.max(atWork.most, atWork.now)
      try {
        await bench.before(run, region)
        if (name === 'ownership.yml') return { 'ownership.json': JSON.stringify(wire(sites.seen(region))) }
        const [owner, ownerName, epoch] = [variables['site_owner'], variables['site_owner_name'], variables['site_owner_epoch']]
        if (!sites.claim(region, owner as string, ownerName as string, epoch as number))
          throw new PlaybookFailed(
            run.stage,
            run.name,
            { kind: 'task', task: 'claim the site for this system controller', message: `managed by ${sites.seen(region).ownerName}` },
            2,
          )
        sites.taken.push(`${String(ownerName)} ${String(epoch)} ${region}`)
        // As the audit that the end of the job asks for would find.
        await database.query.updateTable('subclouds').set({ availability_status: 'online' }).where('id', '=', run.subcloudId).execute()
        return {}
      } finally {
        atWork.now -= 1
      }
    },
  }
  const partsIn = (its: World): RehomeParts => ({
    site: { ...site, world: { ...site.world, clock: its.clock, timers: its.timers, random: its.random } },
    database,
    facts: { ownSystem: async () => system },
    playbooks,
    rehomePeers: options.peers ?? noPeers,
    secretsInFiles: false,
    claimsSites: true,
    healthProblems: async () => [],
  })
  let count = 0
  const bench: TakeoverBench = {
    site,
    database,
    desk,
    sites,
    groupId: group.id,
    atWork,
    played,
    before: async () => {},
    kinds: (its = site.world) => [rehomeKind(partsIn(its)), migrateKind(partsIn(its))] as never,
    worker: (its = site.world, owner = site.processId) =>
      createWorker({ world: its, database, owner, kinds: bench.kinds(its), maxRunning: 32, leaseMs: 3_000, pollMs: 200 }),
    async add(number, columns = {}) {
      const ids: number[] = []
      for (let n = 0; n < number; n += 1) {
        count += 1
        const address = `127.202.${count >> 8}.${count & 255}`
        const at = timestamp(world.clock.nowMs())
        const { id } = await database.query
          .insertInto('subclouds')
          .values({
            name: `edge-${count}`,
            software_version: '26.09',
            management_state: 'unmanaged',
            availability_status: 'offline',
            deploy_status: 'secondary',
            error_description: 'No errors present',
            region_name: count.toString(16).padStart(32, '0'),
            management_subnet: '127.202.0.0/16',
            management_gateway_ip: '127.202.0.1',
            management_start_ip: address,
            management_end_ip: address,
            systemcontroller_gateway_ip: '127.0.0.254',
            openstack_installed: 0,
            first_identity_sync_complete: 0,
            enrolled_with_vcsr: 0,
            rehomed: 0,
            group_id: 1,
            peer_group_id: group.id,
            bootstrap_address: address,
            initial_deployment: 1,
            revision: 1,
            created_at: at,
            ...columns,
          } as never)
          .returning('id')
          .executeTakeFirstOrThrow()
        await database.query
          .insertInto('subcloud_audits')
          .values({ subcloud_id: id, next_audit_at: at } as never)
          .execute()
        for (const endpoint_type of endpointTypes)
          await database.query
            .insertInto('subcloud_status')
            .values({ subcloud_id: id, endpoint_type, sync_status: 'unknown', created_at: at } as never)
            .execute()
        await writeDocuments(database, world, site.keyring, id, { bootstrap_values: bootstrapValues(address) })
        ids.push(id)
      }
      return ids
    },
    migrate: async (witnessed = false) =>
      (
        await claimMigration(desk, asker, () => '', {
          peerGroupId: group.id,
          sysadminPassword: new Secret('sysadmin-secret'),
          witnessed,
        })
      ).jobId,
    rows: () =>
      database.query
        .selectFrom('subclouds')
        .select(['id', 'deploy_status', 'management_state', 'owner_epoch', 'error_description'])
        .orderBy('id')
        .execute(),
  }
  return bench
}

const wire = (seen: SeenOwner) => ({ owner: seen.owner, owner_name: seen.ownerName, epoch: seen.epoch, owner_silent_ms: seen.silentMs })
