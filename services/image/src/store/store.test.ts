import assert from 'node:assert/strict'
import { it } from 'node:test'
import { eachEngine } from '@murmuration/data/testing'
import { DataRefused, type Refusal } from '../rules/refusals.ts'
import { admin, names, openBench, user } from '../testing/engines.ts'
import { removeExpiredTasks } from './tasks.ts'

const refuses = (refusal: Refusal) => (error: unknown) => {
  assert.ok(error instanceof DataRefused, String(error))
  assert.equal(error.refusal, refusal, error.message)
  return true
}

/** The semantics of reference image §3.1–§3.4, the same on every engine. */
eachEngine('images', (engine) => {
  void it('creates with defaults, children and given times; refuses what can not be kept', async () => {
    const { data, at, database } = await openBench(engine)
    const image = await data.image_create(admin, {
      values: {
        status: 'queued',
        owner: '',
        created_at: at(5),
        updated_at: null,
        properties: { arch: 'arm64', empty: null },
        locations: [{ url: 'file:///a', metadata: { store: 'x' }, status: 'active' }],
        unknown: 1,
      },
    })
    assert.deepEqual(
      [image.min_disk, image.min_ram, image.is_public, image.protected, image.owner, image.deleted, image.created_at],
      [0, 0, false, false, null, false, at(5)],
    )
    assert.notEqual(image.updated_at, image.created_at)
    assert.deepEqual(
      image.properties.map(({ name, value }) => [name, value]),
      [
        ['arch', 'arm64'],
        ['empty', null],
      ],
    )
    assert.deepEqual(
      image.locations.map(({ url, metadata }) => [url, metadata]),
      [['file:///a', { store: 'x' }]],
    )
    const create = (values: object) => data.image_create(admin, { values: { status: 'queued', ...values } })
    await assert.rejects(create({ id: image.id }), refuses('Duplicate'))
    await assert.rejects(create({ status: undefined }), refuses('Invalid'))
    await assert.rejects(create({ status: 'nearly' }), refuses('Invalid'))
    const long = 'x'.repeat(70_000)
    for (const values of [{ name: long }, { owner: long }, { tags: [long] }, { properties: { [long]: 'x' } }])
      await assert.rejects(create(values), refuses('Invalid'))
    await assert.rejects(create({ min_ram: 2 ** 31 }), refuses('Invalid'))
    await assert.rejects(create({ min_disk: -(2 ** 31) - 1 }), refuses('Invalid'))
    await assert.rejects(create({ size: 'many' }), refuses('ValueError'))
    assert.equal((await create({ size: '12' })).size, 12)
    const before = (await data.image_get_all(admin, {})).length
    for (const values of [
      { name: 'x\u{1FFF2}' },
      { locations: [{ url: 'file:///\u{1FEE2}', metadata: {}, status: 'active' }] },
      { properties: { a: '\u{1F2AA}' } },
      { properties: { '\u{10020}': 'a' } },
    ])
      await assert.rejects(create(values), refuses('Invalid'))
    assert.equal((await data.image_get_all(admin, {})).length, before)
    const orphans = await database.query.selectFrom('image_locations').select('id').where('url', '=', 'file:///\u{1FEE2}').execute()
    assert.deepEqual(orphans, [])
  })

  void it('updates: properties revive, purge spares internal ones, a wanted status is a condition', async () => {
    const { data, image } = await openBench(engine)
    const { id } = await image({ name: 'a', owner: 'p', properties: { one: '1', two: '2', os_glance_import_task: 't' } })
    const update = (values: object, more: object = {}) => data.image_update(admin, { image_id: id, values: values as never, ...more })
    const changed = await update({ name: 'b', created_at: '1999-01-01T00:00:00', deleted: true, properties: { two: '3' } })
    assert.deepEqual([changed.name, changed.deleted, changed.properties.length], ['b', false, 3])
    assert.ok(changed.updated_at > changed.created_at)
    const purged = await update({ properties: { two: '4' } }, { purge_props: true })
    assert.deepEqual(Object.fromEntries(purged.properties.map((p) => [p.name, p.value])), { os_glance_import_task: 't', two: '4' })
    const revived = await update({ properties: { one: 'again' } })
    assert.equal(revived.properties.find(({ name }) => name === 'one')?.value, 'again')
    await assert.rejects(update({ status: 'queued' }, { from_state: 'saving' }), refuses('Conflict'))
    assert.equal((await update({ status: 'deactivated' }, { from_state: 'active' })).status, 'deactivated')
    await assert.rejects(data.image_update(admin, { image_id: 'nobody', values: {} }), refuses('ImageNotFound'))
    await assert.rejects(data.image_get(admin, { image_id: 'x'.repeat(37) }), refuses('ImageNotFound'))
  })

  void it('of two updates from one status one wins', async () => {
    const { data, image } = await openBench(engine)
    const { id } = await image()
    const race = await Promise.allSettled(
      ['deactivated', 'pending_delete'].map((status) =>
        data.image_update(admin, { image_id: id, values: { status }, from_state: 'active' }),
      ),
    )
    assert.deepEqual(race.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    const lost = race.find((one) => one.status === 'rejected')
    refuses('Conflict')(lost?.reason)
  })

  void it('changes locations by their difference, and hides those of deactivated images', async () => {
    const { data, image } = await openBench(engine)
    const { id, locations } = await image({
      owner: 'p',
      locations: ['file:///a', 'file:///b'].map((url) => ({ url, metadata: {}, status: 'active' })),
    })
    const update = (list: object[]) => data.image_update(admin, { image_id: id, values: { locations: list } })
    const kept = await update([
      { ...locations[0]!, metadata: { store: 's' } },
      { url: 'file:///c', metadata: {}, status: 'active' },
    ])
    assert.deepEqual(
      kept.locations.map(({ url, metadata }) => [url, metadata]),
      [
        ['file:///a', { store: 's' }],
        ['file:///c', {}],
      ],
    )
    assert.equal((await update([])).locations.length, 2, 'an empty list changes nothing')
    await data.image_location_add(admin, { image_id: id, location: { url: 'file:///gone', metadata: {}, status: 'deleted' } })
    assert.equal((await data.image_get(admin, { image_id: id })).locations.length, 2)
    const remove = (status: string, locationId = locations[0]!.id) =>
      data.image_location_delete(admin, { image_id: id, location_id: locationId, status })
    await assert.rejects(remove('active'), refuses('Invalid'))
    await assert.rejects(remove('deleted', 999_999), refuses('NotFound'))
    await remove('deleted')
    assert.deepEqual(
      (await data.image_get(admin, { image_id: id })).locations.map(({ url }) => url),
      ['file:///c'],
    )
    const change = (location: object) => data.image_location_update(admin, { image_id: id, location: location as never })
    await assert.rejects(change({ url: 'file:///x', metadata: {}, status: 'active' }), refuses('Invalid'))
    await assert.rejects(change({ id: 999_999, url: 'file:///x', metadata: {}, status: 'active' }), refuses('NotFound'))
    await data.image_update(admin, { image_id: id, values: { status: 'deactivated' } })
    assert.deepEqual((await data.image_get(user('p'), { image_id: id })).locations, [])
    assert.equal((await data.image_get(admin, { image_id: id })).locations.length, 1)
  })

  void it('deletes softly: one moment for all children', async () => {
    const { data, image, database } = await openBench(engine)
    const { id } = await image({ owner: 'p', visibility: 'shared', properties: { a: '1' }, tags: ['t'], locations: [{ url: 'file:///a' }] })
    await data.image_member_create(admin, { values: { image_id: id, member: 'q' } })
    const gone = await data.image_destroy(user('p'), { image_id: id })
    assert.equal(gone.deleted, true)
    assert.ok(gone.deleted_at)
    for (const table of ['image_properties', 'image_locations', 'image_members', 'image_tags'] as const) {
      const rows = await database.query.selectFrom(table).select(['deleted', 'deleted_at']).where('image_id', '=', id).execute()
      assert.deepEqual(rows, [{ deleted: 1, deleted_at: gone.deleted_at }], table)
    }
    await assert.rejects(data.image_get(user('p'), { image_id: id }), refuses('ImageNotFound'))
    assert.equal((await data.image_get(user('p'), { image_id: id, force_show_deleted: true })).status, 'deleted')
    assert.equal((await data.image_get(admin, { image_id: id })).deleted, true)
    await assert.rejects(data.image_destroy(admin, { image_id: id }), refuses('ImageNotFound'))
  })

  void it('knows who may see and who may change', async () => {
    const { data, image } = await openBench(engine)
    const kinds = ['private', 'shared', 'community', 'public'] as const
    const images = new Map<string, string>()
    for (const visibility of kinds) images.set(visibility, (await image({ name: visibility, owner: 'p', visibility })).id)
    images.set('ownerless', (await image({ name: 'ownerless', owner: null, visibility: 'private' })).id)
    for (const visibility of ['private', 'shared'])
      await data.image_member_create(admin, { values: { image_id: images.get(visibility), member: 'm' } })
    const seen = async (caller: ReturnType<typeof user>) => {
      const found: string[] = []
      for (const [kind, id] of images) {
        const visible = await data.image_get(caller, { image_id: id }).then(
          () => true,
          (error: unknown) => !refuses('Forbidden')(error),
        )
        if (visible) found.push(kind)
      }
      return found
    }
    assert.deepEqual(await seen(user('p')), [...kinds, 'ownerless'])
    assert.deepEqual(await seen(user('m')), ['shared', 'community', 'public', 'ownerless'])
    assert.deepEqual(await seen(user('q')), ['community', 'public', 'ownerless'])
    assert.deepEqual(await seen(user(null)), ['community', 'public', 'ownerless'])
    assert.equal((await seen(admin)).length, 5)
    const change = (caller: ReturnType<typeof user>, kind: string) =>
      data.image_update(caller, { image_id: images.get(kind)!, values: { name: kind } })
    await change(user('p'), 'private')
    await assert.rejects(change(user('m'), 'shared'), refuses('Forbidden'))
    await assert.rejects(change(user('q'), 'public'), refuses('ForbiddenPublicImage'))
    await assert.rejects(change(user('q'), 'ownerless'), refuses('Forbidden'))
    assert.equal(await data.is_image_mutable(user('p'), { image: { owner: 'p' } }), true)
    assert.equal(await data.is_image_mutable(user(null), { image: { owner: null } }), false)
    const visible = (status: string | null) =>
      data.is_image_visible(user('m'), { image: { id: images.get('shared'), owner: 'p', is_public: false }, status })
    assert.deepEqual([await visible(null), await visible('accepted'), await visible('pending')], [true, false, true])
  })

  void it('lists what each caller may see', async () => {
    const { data, image } = await openBench(engine)
    for (const owner of ['p', 'q'])
      for (const visibility of ['private', 'shared', 'community', 'public']) {
        const { id } = await image({ name: `${owner} ${visibility}`, owner, visibility })
        if (owner === 'q')
          for (const status of ['accepted', 'pending', 'rejected'])
            await data.image_member_create(admin, { values: { image_id: id, member: status, status } })
      }
    await image({ name: 'ownerless', owner: null, visibility: 'private' })
    const list = async (caller: ReturnType<typeof user>, visibility?: string, more: object = {}) =>
      names(
        await data.image_get_all(caller, {
          sort_key: ['name'],
          sort_dir: ['asc'],
          filters: visibility === undefined ? {} : { visibility },
          ...more,
        }),
      )
    const own = ['p community', 'p private', 'p public', 'p shared']
    assert.deepEqual(await list(user('p')), [...own, 'q public'])
    assert.deepEqual(await list(user('accepted')), ['p public', 'q public', 'q shared'])
    assert.deepEqual(await list(user('pending')), ['p public', 'q public'])
    assert.deepEqual(await list(user('pending'), undefined, { member_status: 'pending' }), ['p public', 'q public', 'q shared'])
    assert.deepEqual(await list(user('rejected'), undefined, { member_status: 'all' }), ['p public', 'q public', 'q shared'])
    assert.deepEqual(await list(user('p'), 'public'), ['p public', 'q public'])
    assert.deepEqual(await list(user('p'), 'private'), ['p private'])
    assert.deepEqual(await list(user('p'), 'community'), ['p community', 'q community'])
    assert.deepEqual(await list(user('p'), 'shared'), ['p shared'])
    assert.deepEqual(await list(user('accepted'), 'shared'), ['q shared'])
    assert.deepEqual(await list(user('accepted'), 'all'), ['p community', 'p public', 'q community', 'q public', 'q shared'])
    assert.deepEqual(await list(user(null)), ['p public', 'q public'])
    assert.deepEqual(await list(user('p'), undefined, { is_public: true }), ['p public', 'q public'])
    assert.deepEqual(await list(user('p'), undefined, { is_public: false }), ['p community', 'p private', 'p shared'])
    assert.equal((await list(admin)).length, 7, 'no community images of others')
    assert.equal((await list(admin, 'all')).length, 9)
    assert.deepEqual(await list(admin, 'shared'), ['p shared', 'q shared'])
    assert.deepEqual(await list({ ...admin, owner: 'p' }, undefined, { admin_as_user: true }), [...own, 'q public'])
  })

  void it('filters by every kind of condition', async () => {
    const { data, image, at, world } = await openBench(engine)
    const a = await image({
      name: 'a',
      size: 10,
      min_ram: 1,
      checksum: 'c',
      created_at: at(10),
      updated_at: at(10),
      tags: ['x', 'y'],
      properties: { arch: 'arm', os: 'alpine' },
    })
    await image({
      name: 'b',
      size: 20,
      min_ram: 2,
      created_at: at(20),
      updated_at: at(20),
      tags: ['x'],
      properties: { arch: 'arm', is_public: 'yes' },
    })
    await image({
      name: 'c',
      size: 30,
      min_ram: 3,
      created_at: at(30),
      updated_at: at(30),
      status: 'killed',
      os_hidden: true,
      protected: true,
    })
    const d = await image({ name: 'd', size: 40, created_at: at(40), updated_at: at(40) })
    world.step(60_000)
    await data.image_destroy(admin, { image_id: d.id })
    const list = async (filters: object, more: object = {}) =>
      names(await data.image_get_all(admin, { sort_key: ['name'], sort_dir: ['asc'], filters: filters as never, ...more }))
    const all = ['a', 'b', 'c', 'd']
    for (const [filters, expected] of [
      [{}, all],
      [{ name: null }, all],
      [{ name: 'a' }, ['a']],
      [{ name: ['a', 'c', 'zz'] }, ['a', 'c']],
      [{ id: a.id }, ['a']],
      [{ status: 'killed' }, ['c']],
      [{ checksum: 'c' }, ['a']],
      [{ checksum: null }, ['b', 'c', 'd']],
      [{ size: 20 }, ['b']],
      [{ size_min: 20, size_max: 30 }, ['b', 'c']],
      [{ min_ram_min: 2 }, ['b', 'c']],
      [{ deleted: false }, ['a', 'b']],
      [{ deleted: true }, ['d']],
      [{ os_hidden: true }, ['c']],
      [{ os_hidden: false }, ['a', 'b', 'd']],
      [{ protected: true }, ['c']],
      [{ tags: ['x'] }, ['a', 'b']],
      [{ tags: ['x', 'y'] }, ['a']],
      [{ tags: ['z'] }, []],
      [{ arch: 'arm' }, ['a', 'b']],
      [{ arch: 'arm', os: 'alpine' }, ['a']],
      [{ properties: { arch: 'arm', os: 'other' } }, []],
      [{ nothing: 'x' }, []],
      [{ is_public: 'yes' }, ['b']],
      [{ created_at: `gt:${at(10)}`, deleted: false }, ['b']],
      [{ created_at: `gte:${at(10)}`, deleted: false }, ['a', 'b']],
      [{ created_at: `lt:${at(20)}` }, ['a']],
      [{ created_at: `lte:${at(20)}` }, ['a', 'b']],
      [{ created_at: `eq:${at(20)}` }, ['b']],
      [{ created_at: `neq:${at(20)}` }, ['a', 'c', 'd']],
      [{ updated_at: at(30) }, ['c']],
      [{ created_at: '2031-05-04T12:00:20+02:00' }, ['b']],
    ] as const)
      assert.deepEqual(await list(filters), expected, JSON.stringify(filters))
    assert.deepEqual(await list({ 'changes-since': at(20) }), ['c', 'd'])
    const refused = (filters: object, refusal: Refusal) => assert.rejects(list(filters), refuses(refusal), JSON.stringify(filters))
    await refused({ size_min: 'many' }, 'InvalidFilterRangeValue')
    await refused({ created_at: 'about:2031-01-01T00:00:00Z' }, 'InvalidFilterOperatorValue')
    await refused({ created_at: 'gt:yesterday' }, 'InvalidParameterValue')
    await refused({ 'changes-since': 'long ago' }, 'InvalidParameterValue')
    for (const filters of [
      { deleted: 'maybe' },
      { protected: 'maybe' },
      { os_hidden: [true, {}] },
      { visibility: 'odd' },
      { visibility: 5 },
    ])
      await refused(filters, 'Invalid')
    await assert.rejects(list({}, { sort_key: ['owner'], sort_dir: ['asc'] }), refuses('InvalidSortKey'))
    await assert.rejects(list({}, { sort_key: ['name', 'size'], sort_dir: ['asc', 'desc', 'asc'] }), refuses('Invalid'))
  })

  void it('pages through ties and nulls, in every direction, each image once, while others come in', async () => {
    const { data, image, at } = await openBench(engine)
    const count = 60
    for (let i = 0; i < count; i += 1)
      await image({
        name: i % 3 === 0 ? null : `n${i % 4}`,
        size: i % 5 === 0 ? null : i % 4,
        created_at: at(i % 7),
        updated_at: at(i % 2),
      })
    for (const sort_key of [['name'], ['size', 'name'], ['created_at'], ['updated_at', 'size'], ['id']])
      for (const sort_dir of [['asc'], ['desc'], sort_key.map((_, index) => (index === 0 ? 'desc' : 'asc'))]) {
        const order = (await data.image_get_all(admin, { sort_key, sort_dir })).map(({ id }) => id)
        const paged: string[] = []
        for (let marker: string | null = null; ;) {
          const page = await data.image_get_all(admin, { sort_key, sort_dir, limit: 7, marker })
          paged.push(...page.map(({ id }) => id))
          if (page.length < 7) break
          marker = page.at(-1)!.id
        }
        assert.deepEqual(paged, order, `${sort_key.join()} ${sort_dir.join()}`)
        assert.equal(new Set(paged).size, order.length)
      }
    assert.deepEqual(await data.image_get_all(admin, { limit: 0 }), [])
    const before = (await data.image_get_all(admin, {})).map(({ id }) => id)
    const seen: string[] = []
    for (let marker: string | null = null; ;) {
      const page = await data.image_get_all(admin, { limit: 9, marker, sort_key: ['name'], sort_dir: ['asc'] })
      seen.push(...page.map(({ id }) => id))
      if (page.length < 9) break
      marker = page.at(-1)!.id
      await image({ name: 'n2' })
    }
    for (const id of before) assert.equal(seen.filter((one) => one === id).length, 1)
  })

  void it('takes markers that the caller may see, deleted ones where deleted ones are listed', async () => {
    const { data, image, at } = await openBench(engine)
    const gone = await image({ name: 'gone', owner: 'p', created_at: at(20) })
    await image({ name: 'older', owner: 'p', created_at: at(10) })
    const hidden = await image({ name: 'hidden', owner: 'q', visibility: 'private', created_at: at(30) })
    await data.image_destroy(admin, { image_id: gone.id })
    const after = (caller: ReturnType<typeof user>, marker: string, filters: object = {}) =>
      data.image_get_all(caller, { marker, filters: filters as never })
    await assert.rejects(after(user('p'), gone.id), refuses('ImageNotFound'))
    await assert.rejects(after(user('p'), hidden.id), refuses('Forbidden'))
    await assert.rejects(after(admin, 'nobody'), refuses('ImageNotFound'))
    assert.deepEqual(names(await after(admin, gone.id)), ['older'])
    assert.deepEqual(names(await after(user('p'), gone.id, { 'changes-since': at(0) })), ['older'])
  })

  void it('shares: one row for a member, also after its end', async () => {
    const { data, image } = await openBench(engine)
    const { id } = await image({ owner: 'p' })
    const add = (member: string) => data.image_member_create(admin, { values: { image_id: id, member } })
    const first = await add('m')
    assert.deepEqual([first.status, first.can_share], ['pending', false])
    await assert.rejects(add('m'), refuses('Duplicate'))
    await add('n')
    assert.equal((await data.image_member_update(admin, { memb_id: first.id, values: { status: 'accepted' } })).status, 'accepted')
    await assert.rejects(data.image_member_update(admin, { memb_id: 999_999, values: {} }), refuses('NotFound'))
    const find = async (caller: ReturnType<typeof user>, filter: object = {}) =>
      (await data.image_member_find(caller, { image_id: id, ...filter })).map(({ member }) => member)
    assert.deepEqual(await find(user('p')), ['m', 'n'])
    assert.deepEqual(await find(user('m')), ['m'])
    assert.deepEqual(await find(user('q')), [])
    assert.deepEqual(await find(admin, { status: 'accepted' }), ['m'])
    assert.deepEqual(await find(admin, { member: 'n' }), ['n'])
    assert.equal(await data.image_member_count(admin, { image_id: id }), 2)
    await assert.rejects(data.image_member_count(admin, { image_id: '' }), refuses('Invalid'))
    await data.image_member_delete(admin, { memb_id: first.id })
    await assert.rejects(data.image_member_delete(admin, { memb_id: first.id }), refuses('NotFound'))
    assert.deepEqual(await find(admin), ['n'])
    assert.deepEqual(await find(admin, { include_deleted: true }), ['m', 'n'])
    const again = await add('m')
    assert.deepEqual([again.id, again.status], [first.id, 'pending'])
  })

  void it('keeps tags in their order', async () => {
    const { data, image } = await openBench(engine)
    const { id } = await image()
    const tags = () => data.image_tag_get_all(admin, { image_id: id })
    await data.image_tag_set_all(admin, { image_id: id, tags: ['c', 'a', 'c'] })
    await data.image_tag_create(admin, { image_id: id, value: 'b' })
    assert.deepEqual(await tags(), ['c', 'a', 'b'])
    await data.image_tag_set_all(admin, { image_id: id, tags: ['b', 'd', 'c'] })
    assert.deepEqual(await tags(), ['c', 'b', 'd'])
    await data.image_tag_delete(admin, { image_id: id, value: 'b' })
    await assert.rejects(data.image_tag_delete(admin, { image_id: id, value: 'b' }), refuses('NotFound'))
    await assert.rejects(data.image_tag_create(admin, { image_id: id, value: '\u{1FFF2}' }), refuses('Invalid'))
    assert.deepEqual(await tags(), ['c', 'd'])
    await data.image_property_create(admin, { values: { image_id: id, name: 'k', value: 'v' } })
    const dropped = await data.image_property_delete(admin, { prop_ref: 'k', image_ref: id })
    assert.deepEqual([dropped.name, dropped.deleted], ['k', true])
    await assert.rejects(data.image_property_delete(admin, { prop_ref: 'k', image_ref: id }), refuses('NotFound'))
  })

  void it('reckons usage: size times live locations, without what is gone', async () => {
    const { data, image } = await openBench(engine)
    const places = (count: number) => Array.from({ length: count }, (_, i) => ({ url: `file:///${i}`, metadata: {}, status: 'active' }))
    const one = await image({ owner: 'p', size: 10, locations: places(2) })
    await image({ owner: 'p', size: 100, locations: places(1), status: 'killed' })
    await image({ owner: 'p', size: 1000 })
    await image({ owner: 'q', size: 10_000, locations: places(1) })
    const usage = (more: object = {}) => data.user_get_storage_usage(admin, { owner_id: 'p', ...more })
    assert.equal(await usage(), 20)
    assert.equal(await usage({ image_id: one.id }), 0)
    await data.image_location_delete(admin, { image_id: one.id, location_id: one.locations[0]!.id, status: 'deleted' })
    assert.equal(await usage(), 10)
    await data.image_destroy(admin, { image_id: one.id })
    assert.equal(await usage(), 0)
  })

  void it('keeps tasks of each project to itself, and no longer than they say', async () => {
    const { data, database, at } = await openBench(engine)
    const create = (owner: string, values: object = {}) =>
      data.task_create(admin, { values: { type: 'import', owner, input: { from: 'x' }, ...values } })
    const mine = await create('p')
    const other = await create('q', { status: 'success', image_id: 'i' })
    assert.deepEqual([mine.status, mine.input, mine.result], ['pending', { from: 'x' }, null])
    const done = await data.task_update(user('p'), {
      task_id: mine.id,
      values: { status: 'success', result: { ok: 1 }, message: 'm', created_at: 'x' },
    })
    assert.deepEqual([done.status, done.result, done.message, done.created_at], ['success', { ok: 1 }, 'm', mine.created_at])
    assert.deepEqual(await data.task_get(user('p'), { task_id: mine.id }), done)
    await assert.rejects(data.task_get(user('p'), { task_id: other.id }), refuses('Forbidden'))
    await assert.rejects(data.task_get(user('p'), { task_id: 'nobody' }), refuses('TaskNotFound'))
    const list = async (caller: ReturnType<typeof user>, wanted: object = {}) =>
      (await data.task_get_all(caller, wanted)).map(({ id }) => id)
    assert.deepEqual(await list(admin), [other.id, mine.id])
    assert.deepEqual(await list(admin, { sort_dir: 'asc' }), [mine.id, other.id])
    assert.deepEqual(await list(admin, { limit: 1, marker: other.id }), [mine.id])
    assert.deepEqual(await list(admin, { filters: { image_id: 'i', status: 'success' } }), [other.id])
    assert.deepEqual(await list(user('p'), { admin_as_user: true }), [mine.id])
    assert.ok(!('input' in (await data.task_get_all(admin, {}))[0]!))
    for (const limit of [-1, 0.5]) await assert.rejects(data.task_get_all(admin, { limit }), refuses('Invalid'))
    await assert.rejects(data.task_get_all(admin, { sort_dir: 'up' }), refuses('Invalid'))
    assert.equal((await data.task_delete(user('p'), { task_id: mine.id })).deleted, true)
    assert.deepEqual(await list(user('p')), [])
    // Whoever deleted it: when their time is over they go for good, what has not ended never.
    await data.task_update(admin, { task_id: other.id, values: { expires_at: at(-1) } })
    await create('q', { status: 'failure', expires_at: at(-2) })
    const [running, later] = [
      await create('q', { status: 'processing', expires_at: at(-3) }),
      await create('q', { status: 'success', expires_at: at(3600) }),
    ]
    const expire = (most: number) => removeExpiredTasks(database, at(0), most)
    assert.deepEqual([await expire(1), await expire(5), await expire(5)], [1, 1, 0])
    assert.deepEqual(await list(admin), [later.id, running.id])
  })

  void it('keeps definitions of metadata: by name, unique, all or nothing, gone for good', async () => {
    const { data } = await openBench(engine)
    const namespaces = (caller = admin, wanted: object = {}) =>
      data.metadef_namespace_get_all(caller, wanted).then((list) => list.map(({ namespace }) => namespace))
    const tags = [{ name: 'b' }, { name: 'a' }]
    const types = [{ name: 'OS::Nova::Flavor', prefix: 'hw:' }]
    const one = await data.metadef_namespace_create(admin, {
      values: {
        namespace: 'OS::One',
        owner: 'p',
        objects: [{ name: 'o', json_schema: { x: { type: 'string' } }, required: ['x'] }],
        properties: [{ name: 'x', json_schema: { type: 'string' } }],
        tags,
        resource_type_associations: types,
      },
    })
    assert.deepEqual([one.visibility, one.protected, one.owner], ['private', false, 'p'])
    await assert.rejects(data.metadef_namespace_create(admin, { values: { namespace: 'OS::One' } }), refuses('MetadefDuplicateNamespace'))
    const half = { namespace: 'half', tags: [{ name: 'a' }, { name: 'a' }] }
    await assert.rejects(data.metadef_namespace_create(admin, { values: half }), refuses('MetadefDuplicateTag'))
    await data.metadef_namespace_create(admin, { values: { namespace: 'two', owner: 'q', visibility: 'public' } })
    await data.metadef_namespace_create(admin, { values: { namespace: 'three', owner: 'q' } })
    assert.deepEqual(await namespaces(), ['three', 'two', 'OS::One'])
    assert.deepEqual(await namespaces(user('p')), ['two', 'OS::One'])
    assert.deepEqual(await namespaces(user(null)), ['two'])
    assert.deepEqual(await namespaces(admin, { sort_key: 'namespace', sort_dir: 'asc', limit: 2 }), ['OS::One', 'three'])
    assert.deepEqual(await namespaces(admin, { sort_key: 'namespace', sort_dir: 'asc', marker: 'three' }), ['two'])
    assert.deepEqual(await namespaces(admin, { filters: { visibility: 'private' } }), ['three', 'OS::One'])
    assert.deepEqual(await namespaces(admin, { filters: { resource_types: ['OS::Nova::Flavor', 'x'] } }), ['OS::One'])
    await assert.rejects(namespaces(admin, { filters: { resource_types: 'OS::Nova::Flavor' as never } }), refuses('Invalid'))
    await assert.rejects(data.metadef_namespace_get(user('p'), { namespace_name: 'three' }), refuses('MetadefForbidden'))
    await assert.rejects(namespaces(user('p'), { marker: 'three' }), refuses('MetadefForbidden'))
    await assert.rejects(namespaces(admin, { marker: 'nobody' }), refuses('MetadefNamespaceNotFound'))
    for (const limit of [-1, 0.5]) await assert.rejects(namespaces(admin, { limit }), refuses('Invalid'))
    await assert.rejects(
      data.metadef_tag_create(user('p'), { namespace_name: 'two', tag_dict: { name: 't' } }),
      refuses('MetadefForbidden'),
    )

    const of = { namespace_name: 'OS::One' }
    const object = await data.metadef_object_get(admin, { ...of, object_name: 'o' })
    assert.deepEqual([object.required, object.json_schema, object.description], [['x'], { x: { type: 'string' } }, null])
    await data.metadef_object_create(admin, { ...of, object_dict: { name: 'other' } })
    await assert.rejects(
      data.metadef_object_update(admin, { ...of, object_id: object.id, object_dict: { name: 'other' } }),
      refuses('MetadefDuplicateObject'),
    )
    const moved = await data.metadef_object_update(admin, { ...of, object_id: object.id, object_dict: { name: 'n', description: 'd' } })
    assert.deepEqual([moved.name, moved.description, moved.required], ['n', 'd', ['x']])
    assert.equal(await data.metadef_object_count(admin, of), 2)
    await data.metadef_object_delete(admin, { ...of, object_name: 'n' })
    assert.equal(await data.metadef_object_delete_namespace_content(admin, of), 1)
    await assert.rejects(data.metadef_property_create(admin, { ...of, property_dict: { name: 'x' } }), refuses('MetadefDuplicateProperty'))
    await assert.rejects(data.metadef_property_get(admin, { ...of, property_name: 'y' }), refuses('MetadefPropertyNotFound'))
    const tagNames = async (): Promise<string[]> =>
      (await data.metadef_tag_get_all(admin, { ...of, sort_key: 'name', sort_dir: 'asc' })).map(({ name }) => name)
    await assert.rejects(
      data.metadef_tag_create_tags(admin, { ...of, tag_list: [{ name: 'a' }], can_append: true }),
      refuses('MetadefDuplicateTag'),
    )
    await data.metadef_tag_create_tags(admin, { ...of, tag_list: [{ name: 'c' }], can_append: true })
    assert.deepEqual(await tagNames(), ['a', 'b', 'c'])
    await data.metadef_tag_create_tags(admin, { ...of, tag_list: [{ name: 'z' }] })
    assert.deepEqual(await tagNames(), ['z'])

    const type = { resource_type_name: 'OS::Nova::Flavor' }
    assert.equal((await data.metadef_resource_type_association_get(admin, { ...of, ...type })).prefix, 'hw:')
    await assert.rejects(
      data.metadef_resource_type_association_create(admin, { ...of, values: types[0]! }),
      refuses('MetadefDuplicateResourceTypeAssociation'),
    )
    await assert.rejects(data.metadef_resource_type_delete(admin, type), refuses('MetadefIntegrityError'))
    await data.metadef_namespace_update(admin, { namespace_id: one.id, namespace_dict: { namespace: 'renamed', protected: true } })
    await assert.rejects(
      data.metadef_namespace_update(admin, { namespace_id: one.id, namespace_dict: { namespace: 'two' } }),
      refuses('MetadefDuplicateNamespace'),
    )
    await data.metadef_namespace_delete(admin, { namespace_name: 'renamed' })
    await data.metadef_resource_type_delete(admin, type)
    assert.deepEqual(await data.metadef_resource_type_get_all(admin, {}), [])
    await data.metadef_resource_type_create(admin, { values: { name: 'kept', protected: true } })
    await assert.rejects(
      data.metadef_resource_type_delete(admin, { resource_type_name: 'kept' }),
      refuses('ProtectedMetadefResourceTypeSystemDelete'),
    )
    const again = await data.metadef_namespace_create(admin, { values: { namespace: 'renamed' } })
    assert.equal(await data.metadef_tag_count(admin, { namespace_name: again.namespace }), 0)
  })
})
