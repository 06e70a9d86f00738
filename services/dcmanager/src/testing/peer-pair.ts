import type { TestContext } from 'node:test'
import { openDatabase } from '@murmuration/data'
import { readYaml } from '@murmuration/http'
import { createWorker, enqueue, readJobs, type JobRow } from '@murmuration/jobs'
import { createRealWorld, type HttpRequest, type HttpResponse } from '@murmuration/world'
import { associationKeyOf, type AssociationOperation } from '../rules/operations.ts'
import { readDocuments, writeDocuments } from '../store/documents.ts'
import { migrations } from '../store/migrations/index.ts'
import { queued } from '../store/operations.ts'
import { touchMember } from '../store/peer-groups.ts'
import type { Schema } from '../store/schema.ts'
import { associationDeleteKind } from '../work/association-delete.ts'
import { associationSyncKind } from '../work/association-sync.ts'
import { example } from './api-bench.ts'
import { geoBench, peerBody, peerToken, type GeoBench } from './geo-bench.ts'
import { away, createLinks, here, openGeoFixture, type GeoFixture } from './geo-fixture.ts'

/** Both halves of the wire between controllers, the client of one and the API of the other: neither is a stand-in here. */
export interface Pair {
  /** Owns the group: its work, its database. */
  readonly owner: GeoFixture & { readonly associationId: number; readonly groupId: number }
  /** The standby: its API. */
  readonly standby: GeoBench
  readonly wire: Wire
  run(kind: AssociationOperation): Promise<JobRow>
  setDocument(name: string, change: Readonly<Record<string, unknown>>): Promise<void>
}

/** The example's, with addresses for thousands; below 256 they are those of the bench. */
const valuesOf = (n: number): string =>
  example('bootstrap-values')
    .replaceAll('subcloud3', `subcloud${n}`)
    .replaceAll('127.0.3.', `127.${2 * (n >> 8)}.${n & 255}.`)
    .replaceAll('127.1.3.', `127.${2 * (n >> 8) + 1}.${n & 255}.`)

export interface Wire {
  /** What the owner asked, `POST /v1.0/subclouds`. */
  readonly requests: readonly string[]
  /** `old`: that of a release without standby-copies. `withdrawn`: one that told of them when it was asked, and has them no more. */
  kind: 'new' | 'old' | 'withdrawn'
}

const json = (status: number, value: unknown, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify(value)),
})

/** What stands beside the API at a site: its Keystone, which knows one account, and what the site says of itself. */
function neighbours(request: HttpRequest): HttpResponse | undefined {
  const { pathname } = new URL(request.url)
  if (pathname === '/v1/isystems')
    return json(200, {
      isystems: [{ uuid: away.uuid, name: away.name, region_name: 'RegionOne', software_version: '26.09', system_mode: 'simplex' }],
    })
  if (pathname !== '/v3/auth/tokens') return undefined
  const entry = (type: string, region: string, url: string) => ({
    type,
    name: type,
    id: type,
    endpoints: [{ id: type, interface: 'public', region, region_id: region, url }],
  })
  const token = {
    expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    issued_at: new Date().toISOString(),
    catalog: [entry('dcmanager', 'SystemController', `${away.origin}/v1.0`), entry('platform', 'RegionOne', `${away.origin}/v1`)],
  }
  return json(201, { token }, { 'x-subject-token': peerToken })
}

/** `members`: their numbers, which make names and addresses. */
export async function openPair(t: TestContext, members: readonly number[]): Promise<Pair> {
  const standby = await geoBench(
    t,
    {
      waitForJob: async (id) => {
        // Nobody works here: an accepted deletion is done at once.
        const [job] = await readJobs(standby.database, { ids: [id] })
        if (job?.kind === 'subcloud.delete')
          await standby.database.query
            .deleteFrom('subclouds')
            .where('id', '=', Number(job.subject.split(':')[1]))
            .execute()
        await standby.endJobs()
      },
    },
    away,
  )
  const links = createLinks()
  const wire: Wire = { requests: links.requests, kind: 'new' }
  links.answers.set(away.origin, async (request) => {
    const beside = neighbours(request)
    if (beside !== undefined) return beside
    const { pathname, search } = new URL(request.url)
    if (wire.kind !== 'new' && pathname.endsWith('/standby-copies')) {
      if (wire.kind === 'old') throw new Error('an older peer is never asked for it')
      return json(404, { description: 'Not Found' })
    }
    const answer = await standby.app.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: request.headers ?? {},
      ...(request.body === undefined ? {} : { payload: Buffer.from(request.body as string) }),
    })
    const body = wire.kind === 'old' ? Buffer.from(answer.body.replaceAll(/,"murmuration-standby-copies":\d+/g, '')) : answer.rawPayload
    return { status: answer.statusCode, headers: { 'content-type': String(answer.headers['content-type']) }, body }
  })
  const real = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
  t.after(() => real.net.close())
  const world = links.worldOf(real)
  const database = await openDatabase<Schema>('sqlite::memory:', { world, name: 'owner' })
  t.after(() => database.close())
  await database.migrate(migrations)
  const fixture = await openGeoFixture(world, database, here)
  const group = await fixture.addGroup()
  const peer = await fixture.addPeer({ peer_controller_gateway_ip: '127.0.0.253' })
  await database.query.updateTable('system_peer').set({ availability_state: 'available' }).execute()
  const association = await fixture.addAssociation(group, peer)
  await fixture.addMembers(group.id, members.length)
  const rows = await database.query.selectFrom('subclouds').select('id').orderBy('id').execute()
  for (const [index, n] of members.entries()) {
    const { id } = rows[index]!
    await database.query
      .updateTable('subclouds')
      .set({ name: `subcloud${n}`, bootstrap_address: `127.${2 * (n >> 8) + 1}.${n & 255}.2` })
      .where('id', '=', id)
      .execute()
    const values = readYaml(valuesOf(n)).value as Record<string, unknown>
    const install = (await readDocuments(database, fixture.site.keyring, id)).install_values
    await writeDocuments(database, world, fixture.site.keyring, id, {
      bootstrap_values: { ...values, admin_password: 'Adm1n*' },
      install_values: install,
    })
  }
  const owner = { ...peerBody, peer_uuid: here.uuid, peer_name: here.name }
  const added = await standby.call('POST', '/v1.0/system-peers', { json: owner })
  if (added.status !== 200) throw new Error(added.text)
  return {
    owner: { ...fixture, associationId: association.id, groupId: group.id },
    standby,
    wire,
    async run(kind) {
      const id = await database.transaction((tx) =>
        enqueue(tx, world, queued<{ associationId: number }>(kind), {
          subject: associationKeyOf(association.id),
          input: { associationId: association.id },
        }),
      )
      const worker = createWorker({ world, database, owner: 'test', kinds: [associationSyncKind(fixture), associationDeleteKind(fixture)] })
      worker.start()
      let job = (await readJobs(database, { ids: [id] }))[0]!
      while (job.finished_at === null) {
        await world.timers.sleep(20)
        job = (await readJobs(database, { ids: [id] }))[0]!
      }
      await worker.stop()
      return job
    },
    setDocument: (name, change) =>
      database.transaction(async (tx) => {
        const row = await tx.query.selectFrom('subclouds').selectAll().where('name', '=', name).executeTakeFirstOrThrow()
        const { bootstrap_values: values } = await readDocuments(tx, fixture.site.keyring, row.id)
        await writeDocuments(tx, world, fixture.site.keyring, row.id, { bootstrap_values: { ...(values as object), ...change } })
        await touchMember(tx, world, [row.id])
      }),
  }
}
