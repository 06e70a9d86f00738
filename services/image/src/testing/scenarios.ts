import assert from 'node:assert/strict'
import { definitionScenarios } from './definition-scenarios.ts'
import type { RegistryBench } from './registry-bench.ts'

/** Reference image §3.5: 41 scenarios, each on an empty store with two images; then those that real visibility and the other filters need. */

export interface Scenario {
  readonly name: string
  run(bench: RegistryBench, ids: Ids): Promise<void>
}
export type Ids = Readonly<Record<'A' | 'B' | 'C' | 'D' | 'E', string>>

export const ids: Ids = {
  A: 'a0000000-0000-4000-8000-00000000000a',
  B: 'b0000000-0000-4000-8000-00000000000b',
  C: 'c0000000-0000-4000-8000-00000000000c',
  D: 'd0000000-0000-4000-8000-00000000000d',
  E: 'e0000000-0000-4000-8000-00000000000e',
}
const unknownId = '00000000-0000-4000-8000-000000000000'
const letterOf = (id: string): string => Object.entries(ids).find(([, one]) => one === id)?.[0] ?? id
const location = (name: string) => [{ url: `file:///tmp/${name}`, metadata: {}, status: 'active' }]
const imageNotFound = 'glance.common.exception.ImageNotFound'
const invalid = 'glance.common.exception.Invalid'

/** Both images of the set-up. */
export async function setUp({ rpc, at }: RegistryBench): Promise<void> {
  const base = { status: 'active', checksum: null, deleted: false }
  const times = (seconds: number) => ({ created_at: at(seconds), updated_at: at(seconds) })
  await rpc('image_create', {
    values: {
      ...base,
      ...times(0),
      id: ids.A,
      name: 'fake image #1',
      disk_format: 'ami',
      container_format: 'ami',
      is_public: false,
      min_disk: 0,
      min_ram: 0,
      size: 13,
      properties: { type: 'kernel' },
      locations: location('a'),
      owner: 'p',
    },
  })
  await rpc('image_create', {
    values: {
      ...base,
      ...times(5),
      id: ids.B,
      name: 'fake image #2',
      disk_format: 'vhd',
      container_format: 'ovf',
      is_public: true,
      min_disk: 5,
      min_ram: 256,
      size: 19,
      properties: {},
      locations: location('b'),
      owner: 'p',
    },
  })
}

type Letter = 'C' | 'D' | 'E'
async function add(bench: RegistryBench, letter: Letter, values: object = {}): Promise<void> {
  await bench.rpc('image_create', {
    values: {
      id: ids[letter],
      status: 'active',
      is_public: true,
      disk_format: 'vhd',
      container_format: 'ovf',
      name: `fake image ${letter}`,
      size: letter === 'C' ? 19 : 20,
      checksum: null,
      ...values,
    },
  })
}
const created = (bench: RegistryBench, seconds: number) => ({ created_at: bench.at(seconds), updated_at: bench.at(seconds) })
const updated = (bench: RegistryBench, seconds: number) => ({ created_at: null, updated_at: bench.at(seconds) })
async function list(bench: RegistryBench, kwargs?: object, as?: string): Promise<string> {
  return ((await bench.rpc('image_get_all', kwargs, as)) as { id: string }[]).map(({ id }) => letterOf(id)).join('')
}

/** A list with one sort. */
const sorted = (
  name: string,
  rows: (bench: RegistryBench) => readonly [Letter, object][],
  sorts: readonly [readonly string[], readonly string[], string][],
): Scenario => ({
  name,
  async run(bench) {
    for (const [letter, values] of rows(bench)) await add(bench, letter, values)
    for (const [sort_key, sort_dir, expected] of sorts)
      assert.equal(await list(bench, { sort_key, sort_dir }), expected, `${sort_key.join()} ${sort_dir.join()}`)
  },
})
/** The image with a null is the marker: all others are after it ascending, none descending. */
const nullMarker = (column: string, direction: 'asc' | 'desc', count: number): Scenario => ({
  name: `marker with a null ${column}, ${direction}`,
  async run(bench) {
    await add(bench, 'C', { [column]: null })
    assert.equal((await list(bench, { marker: ids.C, sort_key: [column], sort_dir: [direction] })).length, count)
  },
})
const filtered = (name: string, filters: object, expected: string): Scenario => ({
  name: `filter by properties: ${name}`,
  async run(bench) {
    await add(bench, 'C', { properties: { distro: 'ubuntu', arch: 'i386', type: 'kernel' } })
    for (let round = 0; round < 2; round += 1) assert.equal(await list(bench, { filters }), expected)
  },
})
const refusedText = (name: string, command: string, kwargs: (id: Ids) => readonly object[]): Scenario => ({
  name,
  async run({ rpc, failure }) {
    const count = (await rpc('image_get_all')).length
    for (const one of kwargs(ids)) assert.equal(await failure(command, one), invalid)
    assert.equal((await rpc('image_get_all')).length, count)
  },
})
const createdWith = (name: string, values: object, expected: object): Scenario => ({
  name,
  async run({ rpc }) {
    const base = { name: 'fake public image', status: 'active', is_public: true, disk_format: 'vhd', container_format: 'ovf' }
    const image = await rpc('image_create', { values: { ...base, ...values } })
    for (const [key, value] of Object.entries({ ...base, ...values, ...expected })) assert.deepEqual(image[key], value, key)
  },
})

const threeKeys = (bench: RegistryBench): readonly [Letter, object][] => [
  ['C', { name: 'asdf', size: 19, ...updated(bench, 15) }],
  ['D', { name: 'xyz', size: 20, ...updated(bench, 10) }],
  ['E', { name: 'asdf', size: 20, ...updated(bench, 10) }],
]

/** The 41. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'show',
    async run({ rpc }) {
      const { name, size, min_ram, min_disk, checksum } = await rpc('image_get', { image_id: ids.B })
      assert.deepEqual([name, size, min_ram, min_disk, checksum], ['fake image #2', 19, 256, 5, null])
    },
  },
  {
    name: 'show an unknown one',
    run: async ({ failure }) => assert.equal(await failure('image_get', { image_id: unknownId }), imageNotFound),
  },
  {
    name: 'index by columns',
    run: async (bench) => assert.equal(await list(bench, { filters: { id: ids.B, name: 'fake image #2', size: 19, checksum: null } }), 'B'),
  },
  {
    name: 'marker',
    async run(bench) {
      const name = 'new name! #123'
      await add(bench, 'E', { name, ...created(bench, 10) })
      await add(bench, 'D', { name, ...created(bench, 15) })
      await add(bench, 'C', { name, ...created(bench, 20) })
      assert.equal(await list(bench, { marker: ids.D, is_public: true }), 'EB')
    },
  },
  nullMarker('name', 'asc', 2),
  nullMarker('name', 'desc', 0),
  nullMarker('disk_format', 'asc', 2),
  nullMarker('disk_format', 'desc', 0),
  nullMarker('container_format', 'asc', 2),
  nullMarker('container_format', 'desc', 0),
  { name: 'unknown marker', run: async ({ failure }) => assert.match(await failure('image_get_all', { marker: unknownId }), /NotFound/) },
  {
    name: 'limit',
    async run(bench) {
      await add(bench, 'C', created(bench, 10))
      await add(bench, 'D', created(bench, 15))
      assert.equal(await list(bench, { limit: 1 }), 'D')
    },
  },
  {
    name: 'limit and marker',
    async run(bench) {
      await add(bench, 'C', created(bench, 10))
      await add(bench, 'D', created(bench, 15))
      assert.equal(await list(bench, { marker: ids.C, limit: 1 }), 'B')
    },
  },
  {
    name: 'filter by name',
    async run(bench) {
      for (const letter of ['C', 'D'] as const) await add(bench, letter, { name: 'new name! #123' })
      const found = await bench.rpc('image_get_all', { filters: { name: 'new name! #123' } })
      assert.deepEqual(
        found.map(({ name }: { name: string }) => name),
        ['new name! #123', 'new name! #123'],
      )
    },
  },
  {
    name: 'filter by properties: all seven',
    async run(bench, of) {
      for (const [filters, expected] of [
        [{ type: 'kernel' }, 'CA'],
        [{ type: 'random' }, ''],
        [{ poo: 'random' }, ''],
        [{ type: 'kernel', distro: 'ubuntu' }, 'C'],
        [{ type: 'random', distro: 'random' }, ''],
        [{ typo: 'random', poo: 'random' }, ''],
        [{ type: 'kernel', poo: 'random' }, ''],
      ] as const) {
        if ((await bench.rpc('image_get_all', { filters: { id: of.C } })).length === 0)
          await add(bench, 'C', { properties: { distro: 'ubuntu', arch: 'i386', type: 'kernel' } })
        assert.equal(await list(bench, { filters }), expected, JSON.stringify(filters))
      }
    },
  },
  {
    name: 'default order',
    async run(bench) {
      await add(bench, 'E', created(bench, 10))
      await add(bench, 'D', created(bench, 15))
      await add(bench, 'C', created(bench, 20))
      assert.equal(await list(bench), 'CDEBA')
    },
  },
  sorted(
    'sort by name',
    () => [
      ['C', { name: 'asdf' }],
      ['D', { name: 'xyz' }],
      ['E', { name: null }],
    ],
    [[['name'], ['asc'], 'ECABD']],
  ),
  sorted(
    'sort by status',
    (bench) => [
      ['C', { status: 'queued' }],
      ['D', created(bench, 10)],
    ],
    [[['status'], ['asc'], 'ABDC']],
  ),
  sorted(
    'sort by disk_format',
    (bench) => [
      ['C', { disk_format: 'ami', container_format: 'ami', ...created(bench, 5) }],
      ['D', { disk_format: 'vdi' }],
    ],
    [[['disk_format'], ['asc'], 'ACDB']],
  ),
  sorted(
    'sort by container_format',
    (bench) => [
      ['C', { disk_format: 'ami', container_format: 'ami', ...created(bench, 5) }],
      ['D', { disk_format: 'iso', container_format: 'bare' }],
    ],
    [[['container_format'], ['desc'], 'BDCA']],
  ),
  sorted(
    'sort by size',
    (bench) => [
      ['C', { disk_format: 'ami', container_format: 'ami', size: 100, ...created(bench, 5) }],
      ['D', { disk_format: 'iso', container_format: 'bare', size: 2 }],
    ],
    [[['size'], ['asc'], 'DABC']],
  ),
  sorted(
    'sort by created_at',
    (bench) => [
      ['D', created(bench, 10)],
      ['C', created(bench, 15)],
    ],
    [[['created_at'], ['asc'], 'ABDC']],
  ),
  sorted(
    'sort by updated_at',
    (bench) => [
      ['D', updated(bench, 10)],
      ['C', updated(bench, 15)],
    ],
    [[['updated_at'], ['desc'], 'CDBA']],
  ),
  sorted('two keys, one direction', threeKeys, [
    [['name', 'size'], ['asc'], 'CEABD'],
    [['size', 'name'], ['asc'], 'ACBED'],
  ]),
  sorted('two keys, two directions', threeKeys, [
    [['name', 'size'], ['desc', 'asc'], 'DBACE'],
    [['size', 'name'], ['desc', 'asc'], 'EDCBA'],
    [['name', 'size'], ['asc', 'desc'], 'ECABD'],
    [['size', 'name'], ['asc', 'desc'], 'ABCDE'],
  ]),
  createdWith('create', {}, {}),
  createdWith('create with min_disk', { min_disk: 5 }, {}),
  createdWith('create with min_ram', { min_ram: 256 }, {}),
  createdWith('default min_ram', {}, { min_ram: 0 }),
  createdWith('default min_disk', {}, { min_disk: 0 }),
  {
    name: 'update',
    async run({ rpc }) {
      const values = { name: 'fake public image #2', min_disk: 5, min_ram: 256, disk_format: 'raw' }
      const image = await rpc('image_update', { image_id: ids.B, values })
      for (const [key, value] of Object.entries(values)) assert.equal(image[key], value)
      assert.notDeepEqual(image.created_at, image.updated_at)
    },
  },
  refusedText('create with a bad name', 'image_create', () => [{ values: { name: 'fake public image\u{1FFF2}', status: 'queued' } }]),
  refusedText('create with a bad location', 'image_create', () => [
    { values: { status: 'queued', locations: [{ url: 'file:///tmp/tests/\u{1FEE2}', metadata: {}, status: 'active' }] } },
  ]),
  refusedText('create with a bad property', 'image_create', () => [
    { values: { status: 'queued', properties: { ok: 'text\u{1F2AA}' } } },
    { values: { status: 'queued', properties: { 'key\u{10020}': 'ok' } } },
  ]),
  refusedText('bad tag', 'image_tag_create', ({ B }) => [{ image_id: B, value: '\u{1FFF2}' }]),
  refusedText('update with a bad name', 'image_update', ({ A }) => [{ image_id: A, values: { name: 'fake\u{1FFF2}' } }]),
  refusedText('update with a bad location', 'image_update', ({ A }) => [
    { image_id: A, values: { locations: [{ url: 'file:///tmp/glance-tests/\u{1FEE2}', metadata: {}, status: 'active' }] } },
  ]),
  refusedText('update with a bad property', 'image_update', ({ B }) => [
    { image_id: B, values: { properties: { ok: 'text\u{1F2AA}' } } },
    { image_id: B, values: { properties: { 'key\u{10020}': 'ok' } } },
  ]),
  {
    name: 'delete',
    async run({ rpc }) {
      const count = async (): Promise<number> => (await rpc('image_get_all', { filters: { deleted: false } })).length
      const before = await count()
      await rpc('image_destroy', { image_id: ids.B })
      assert.equal(await count(), before - 1)
    },
  },
  {
    name: 'delete tells what it deleted',
    async run({ rpc }) {
      const image = await rpc('image_destroy', { image_id: ids.A })
      assert.deepEqual([image.id, image.deleted], [ids.A, true])
      assert.ok(image.deleted_at)
    },
  },
  { name: 'members of a fresh image', run: async ({ rpc }) => assert.deepEqual(await rpc('image_member_find', { image_id: ids.B }), []) },
]

const [p, q, m] = ['member@p', 'member@q', 'member@m']
const forbidden = 'glance.common.exception.Forbidden'

/** What the original's port had switched off: each rule of visibility and each filter, with and without a match. */
export const furtherScenarios: readonly Scenario[] = [
  filtered('one of three', { arch: 'i386' }, 'C'),
  {
    name: 'who sees what in a list',
    async run(bench) {
      await add(bench, 'C', { visibility: 'private', owner: 'q', ...created(bench, 10) })
      await add(bench, 'D', { visibility: 'shared', owner: 'q', ...created(bench, 11) })
      await add(bench, 'E', { visibility: 'community', owner: 'q', ...created(bench, 12) })
      await bench.rpc('image_member_create', { values: { image_id: ids.D, member: 'm', status: 'accepted' } })
      await bench.rpc('image_member_create', { values: { image_id: ids.C, member: 'm', status: 'accepted' } })
      await bench.rpc('image_member_create', { values: { image_id: ids.D, member: 'p' } })
      assert.equal(await list(bench, {}, p), 'BA')
      assert.equal(await list(bench, {}, q), 'EDCB')
      assert.equal(await list(bench, {}, m), 'DB')
      assert.equal(await list(bench, {}, 'member@nobody'), 'B')
      assert.equal(await list(bench, {}, 'member@'), 'B')
      assert.equal(await list(bench, {}), 'DCBA')
      assert.equal(await list(bench, { member_status: 'pending' }, p), 'DBA')
      assert.equal(await list(bench, { member_status: 'rejected' }, m), 'B')
      assert.equal(await list(bench, { member_status: 'all' }, p), 'DBA')
      assert.equal(await list(bench, { filters: { visibility: 'public' } }, q), 'B')
      assert.equal(await list(bench, { filters: { visibility: 'private' } }, q), 'C')
      assert.equal(await list(bench, { filters: { visibility: 'private' } }, m), '')
      assert.equal(await list(bench, { filters: { visibility: 'shared' } }, q), 'D')
      assert.equal(await list(bench, { filters: { visibility: 'shared' } }, m), 'D')
      assert.equal(await list(bench, { filters: { visibility: 'community' } }, m), 'E')
      assert.equal(await list(bench, { filters: { visibility: 'all' } }, m), 'EDB')
      assert.equal(await list(bench, { filters: { visibility: 'all' } }), 'EDCBA')
      assert.equal(await list(bench, { is_public: true }, q), 'B')
      assert.equal(await list(bench, { is_public: false }, q), 'EDC')
      assert.equal(await list(bench, { admin_as_user: true }), 'B')
      const [member] = await bench.rpc('image_member_find', { image_id: ids.D, member: 'm' })
      await bench.rpc('image_member_delete', { memb_id: member.id })
      assert.equal(await list(bench, {}, m), 'B')
    },
  },
  {
    name: 'who sees and changes one image',
    async run({ rpc, failure }) {
      const get = { image_id: ids.A }
      assert.equal(await failure('image_get', get, q), forbidden)
      assert.equal((await rpc('image_get', get, p)).id, ids.A)
      await rpc('image_member_create', { values: { image_id: ids.A, member: 'q' } })
      assert.equal((await rpc('image_get', get, q)).id, ids.A)
      assert.equal(await failure('image_update', { ...get, values: { name: 'x' } }, q), forbidden)
      assert.equal(await failure('image_destroy', get, q), forbidden)
      assert.equal(await failure('image_update', { image_id: ids.B, values: {} }, q), 'glance.common.exception.ForbiddenPublicImage')
      await rpc('image_update', { ...get, values: { visibility: 'private' } }, p)
      assert.equal(await failure('image_get', get, q), forbidden)
      await rpc('image_update', { ...get, values: { visibility: 'community' } }, p)
      assert.equal((await rpc('image_get', get, m)).id, ids.A)
      await rpc('image_destroy', get, p)
      assert.equal(await failure('image_get', get, p), imageNotFound)
      assert.deepEqual((await rpc('image_member_find', { include_deleted: true }, m)).length, 0)
    },
  },
  {
    name: 'every other filter',
    async run(bench) {
      const one = {
        tags: ['x', 'y'],
        protected: true,
        os_hidden: true,
        owner: 'z',
        checksum: 'c',
        status: 'queued',
        size: 100,
        min_ram: 7,
        ...created(bench, 10),
      }
      await add(bench, 'C', one)
      await add(bench, 'D', { status: 'killed', ...created(bench, 11) })
      const when = (seconds: number): string => `${bench.at(seconds)._value}Z`
      for (const [filters, expected] of [
        [{ tags: ['x', 'y'] }, 'C'],
        [{ tags: ['x', 'z'] }, ''],
        [{ protected: true }, 'C'],
        [{ os_hidden: true }, 'C'],
        [{ os_hidden: false }, 'DBA'],
        [{ owner: 'z' }, 'C'],
        [{ checksum: 'c' }, 'C'],
        [{ checksum: null }, 'DBA'],
        [{ status: 'queued' }, 'C'],
        [{ deleted: false }, 'CBA'],
        [{ disk_format: 'ami' }, 'A'],
        [{ container_format: ['ami', 'bare'] }, 'A'],
        [{ size_min: 100 }, 'C'],
        [{ size_max: 13 }, 'A'],
        [{ min_ram_min: 7, min_ram_max: 7 }, 'C'],
        [{ properties: { type: 'kernel' } }, 'A'],
        [{ created_at: `lt:${when(5)}` }, 'A'],
        [{ created_at: `gte:${when(11)}` }, 'D'],
        [{ updated_at: `neq:${when(5)}`, created_at: `lte:${when(10)}` }, 'CA'],
        [{ 'changes-since': when(10) }, 'D'],
      ] as const)
        assert.equal(await list(bench, { filters }), expected, JSON.stringify(filters))
    },
  },
  {
    name: 'an image has its own children, and the live ones',
    async run(bench) {
      const { rpc } = bench
      await add(bench, 'C', { properties: { type: 'kernel', k: 'v' }, tags: ['t'], locations: location('c'), ...created(bench, 10) })
      const get = async (as?: string) => {
        const image = await rpc('image_get', { image_id: ids.C }, as)
        const names = image.properties.map(({ name }: { name: string }) => name)
        return [names.join(), image.locations.map(({ url }: { url: string }) => url).join(), image.tags.join()]
      }
      assert.deepEqual(await get(), ['type,k', 'file:///tmp/c', 't'])
      await rpc('image_tag_create', { image_id: ids.A, value: 'other' })
      assert.deepEqual(await get(), ['type,k', 'file:///tmp/c', 't'])
      assert.equal(await list(bench, { filters: { properties: { unnamed: 'kernel' } } }), '')
      await rpc('image_update', { image_id: ids.C, values: { status: 'deactivated' } })
      assert.deepEqual(await get(p), ['type,k', '', 't'])
      await rpc('image_tag_delete', { image_id: ids.C, value: 't' })
      await rpc('image_property_delete', { prop_ref: 'type', image_ref: ids.C })
      const [{ id }] = (await rpc('image_get', { image_id: ids.C })).locations
      await rpc('image_location_delete', { image_id: ids.C, location_id: id, status: 'deleted' })
      assert.deepEqual(await get(), ['k', '', ''])
      assert.equal(await list(bench, { filters: { tags: ['t'] } }), '')
      assert.equal(await list(bench, { filters: { type: 'kernel' } }), 'A')
      // Of deleted images, what they had.
      await rpc('image_destroy', { image_id: ids.B })
      for (const filters of [{ deleted: true }, { 'changes-since': `${bench.at(0)._value}Z`, name: 'fake image #2' }]) {
        const [gone] = await rpc('image_get_all', { filters })
        assert.deepEqual([gone.id, gone.locations.length], [ids.B, 1])
      }
    },
  },
  {
    name: 'who is a member of what, and who is nobody',
    async run(bench) {
      const { rpc, failure } = bench
      await add(bench, 'C', { visibility: 'shared', owner: 'q', ...created(bench, 10) })
      await add(bench, 'D', { visibility: 'shared', owner: 'q', ...created(bench, 11) })
      await add(bench, 'E', { visibility: 'private', owner: null, ...created(bench, 12) })
      const join = (image_id: string, member: string, status = 'pending') =>
        rpc('image_member_create', { values: { image_id, member, status } })
      const first = await join(ids.D, 'm', 'accepted')
      await join(ids.D, 'p')
      await join(ids.C, 'p')
      assert.equal(await failure('image_get', { image_id: ids.C }, m), forbidden)
      assert.equal((await rpc('image_get', { image_id: ids.D }, m)).id, ids.D)
      const find = async (filter: object, as?: string): Promise<string> =>
        ((await rpc('image_member_find', filter, as)) as { image_id: string; member: string }[])
          .map(({ image_id, member }) => letterOf(image_id) + member)
          .join()
      assert.equal(await find({}), 'Dm,Dp,Cp')
      assert.equal(await find({ image_id: ids.C }), 'Cp')
      assert.equal(await find({ member: 'm' }), 'Dm')
      assert.equal(await find({ status: 'accepted' }), 'Dm')
      assert.equal(await find({}, q), 'Dm,Dp,Cp')
      assert.equal(await find({}, m), 'Dm')
      assert.equal(await find({}, 'member@nobody'), '')
      const visible = (status: string | null, as: string) =>
        rpc('is_image_visible', { image: { id: ids.D, owner: 'q', visibility: 'shared' }, status }, as)
      assert.deepEqual([await visible(null, p), await visible('accepted', p), await visible('accepted', m)], [true, false, true])
      assert.equal(await rpc('image_member_count', { image_id: ids.D }), 2)
      await rpc('image_member_delete', { memb_id: first.id })
      assert.equal(await rpc('image_member_count', { image_id: ids.D }), 1)
      assert.equal(await find({ image_id: ids.D }), 'Dp')
      assert.equal(await failure('image_get', { image_id: ids.D }, m), forbidden)
      // What nobody owns, all may read and nobody may change.
      assert.equal((await rpc('image_get', { image_id: ids.E }, m)).id, ids.E)
      assert.equal(await failure('image_update', { image_id: ids.E, values: { name: 'x' } }, 'member@'), forbidden)
      assert.equal(await list(bench, { filters: { visibility: 'private' } }), 'E')
      await rpc('image_update', { image_id: ids.E, values: { owner: 'q' } })
      assert.equal(await list(bench, { filters: { visibility: 'all' } }, q), 'EDCB')
      await rpc('image_update', { image_id: ids.E, values: { owner: 'admin', visibility: 'community' } })
      assert.equal(await list(bench), 'EDCBA')
    },
  },
  {
    name: 'a status that is no longer so is no ground to write on',
    async run({ rpc, failure }) {
      const update = (status: string, from_state: string) => ({ image_id: ids.A, values: { status }, from_state })
      assert.equal(await failure('image_update', update('active', 'saving')), 'glance.common.exception.Conflict')
      assert.equal((await rpc('image_update', update('deactivated', 'active'))).status, 'deactivated')
    },
  },
  ...definitionScenarios,
]
