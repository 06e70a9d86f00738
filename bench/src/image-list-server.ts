import { join } from 'node:path'
import { bulkInsert, json, openDatabase, timestamp, type Database } from '@murmuration/data'
import { createImageService } from '@murmuration/image'
import { listImages, migrations, readListQuery, type Schema } from '@murmuration/image/bench'
import { createRealWorld } from '@murmuration/world'
import { serveLists } from './list-child.ts'
import { openBenchSite } from './site.ts'
import { createTokens } from './tokens.ts'

/** The image API with many images. Started by `image-list`: how many, and whether an admin asks. */
const [count = '10000', role = 'admin'] = process.argv.slice(2)
const page = 100
const startMs = Date.UTC(2030, 0, 1)
const idOf = (n: number): string => `${n.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`

const world = createRealWorld({ timersKeepAlive: true, log: { level: 'error' } })
const { validator, tokens } = createTokens(world, 50, role === 'admin' ? ['admin', 'member', 'reader'] : ['member', 'reader'])
const opened = await openBenchSite(world, { tokens: validator })
const database = await openDatabase<Schema>(`sqlite:${join(opened.folder, 'image.db')}`, { world, name: 'image' })
await database.migrate(migrations)
await addImages(database, Number(count))
const site = { ...opened, config: { ...opened.config, roles: ['api' as const] }, openDatabase: async () => database as never }
const service = await createImageService(site)

const { projectId = null, roles, userId } = await validator.validate(tokens[0]!)
const caller = { isAdmin: roles.includes('admin'), owner: projectId, userId }

/** The newest stand first, and all of them are visible to who asks here. */
function pageAfter(before: number) {
  const query = `limit=${page}${before === 0 ? '' : `&marker=${idOf(Number(count) - before)}`}`
  const { filters, marker, limit, sortKeys, sortDirections, memberStatus } = readListQuery(new URLSearchParams(query))
  const order = { sort_key: sortKeys, sort_dir: sortDirections }
  const wanted = { filters, marker: marker ?? null, limit, ...order, member_status: memberStatus, return_tag: true }
  return { path: `/v2/images?${query}`, sql: () => listImages(database, caller, wanted) }
}
await serveLists({
  world,
  endpoint: service.apps[0]!.endpoint,
  tokens,
  lists: [0, Number(count) / 2, Number(count) - page].map(pageAfter),
  sqlRounds: 100,
})

/** A tenth is the caller's own, a tenth is shared with it, the rest is public. */
async function addImages(db: Database<Schema>, images: number): Promise<void> {
  const numbers = Array.from({ length: images }, (_, n) => n)
  const kept = (n: number) => {
    const at = timestamp(startMs + n * 1_000)
    return { created_at: at, updated_at: at, deleted_at: null, deleted: 0 as const }
  }
  const own = 'project-admin'
  await bulkInsert(
    db,
    'images',
    numbers.map((n) => ({
      ...kept(n),
      id: idOf(n),
      name: `image ${n % 997}`,
      disk_format: 'qcow2',
      container_format: 'bare',
      size: n * 1_000,
      virtual_size: n * 4_000,
      status: 'active' as const,
      visibility: n % 10 === 0 ? ('private' as const) : n % 10 === 1 ? ('shared' as const) : ('public' as const),
      checksum: n.toString(16).padStart(32, '0'),
      os_hash_algo: 'sha512',
      os_hash_value: n.toString(16).padStart(128, '0'),
      min_disk: 1,
      min_ram: 64,
      owner: n % 10 === 0 ? own : `project-${n % 100}`,
      protected: 0 as const,
      os_hidden: 0 as const,
    })),
  )
  const properties = (n: number) => [['os_distro', n % 2 === 0 ? 'debian' : 'fedora'], ['hw_disk_bus', 'virtio'], ['build', String(n)]] as const // prettier-ignore
  await bulkInsert(db, 'image_properties', numbers.flatMap((n) => properties(n).map(([name, value]) => ({ ...kept(n), image_id: idOf(n), name, value })))) // prettier-ignore
  await bulkInsert(db, 'image_tags', numbers.flatMap((n) => ['base', `team-${n % 10}`].map((value) => ({ ...kept(n), image_id: idOf(n), value })))) // prettier-ignore
  await bulkInsert(db, 'image_locations', numbers.map((n) => ({ ...kept(n), image_id: idOf(n), url: `file:///images/${n}`, meta_data: json.write({ store: 'local' }), status: 'active', data_id: null }))) // prettier-ignore
  const shared = numbers.filter((n) => n % 10 === 1)
  await bulkInsert(db, 'image_members', shared.map((n) => ({ ...kept(n), image_id: idOf(n), member: own, can_share: 0 as const, status: 'accepted' }))) // prettier-ignore
}
