import assert from 'node:assert/strict'
import type { Scenario } from './scenarios.ts'

/** Definitions of metadata, tasks and usage: whose they are, and what of all there is a command means (reference image §3.3, §3.4). */

const [p, q, nobody] = ['member@p', 'member@q', 'member@nobody']
const error = (name: string): string => `glance.common.exception.${name}`
const kinds = ['object', 'property'] as const

export const definitionScenarios: readonly Scenario[] = [
  {
    name: 'definitions: who sees and changes a namespace',
    async run({ rpc, failure }) {
      await rpc('metadef_namespace_create', { values: { namespace: 'one', owner: 'p', resource_type_associations: [{ name: 'R1' }] } })
      await rpc('metadef_namespace_create', {
        values: { namespace: 'two', owner: 'q', visibility: 'public', resource_type_associations: [{ name: 'R2' }] },
      })
      const list = async (filters: object, as?: string): Promise<string> =>
        ((await rpc('metadef_namespace_get_all', { filters, sort_key: 'namespace', sort_dir: 'asc' }, as)) as { namespace: string }[])
          .map(({ namespace }) => namespace)
          .join()
      assert.deepEqual([await list({}), await list({}, p), await list({}, q), await list({}, nobody)], ['one,two', 'one,two', 'two', 'two'])
      assert.deepEqual([await list({ visibility: 'private' }), await list({ visibility: 'public' })], ['one', 'two'])
      assert.deepEqual([await list({ resource_types: ['R1'] }), await list({ resource_types: ['R0', 'R2'] })], ['one', 'two'])
      assert.equal(await list({ namespaces: ['two', 'three'] }), 'two')
      const get = { namespace_name: 'one' }
      assert.equal(await failure('metadef_namespace_get', get, q), error('MetadefForbidden'))
      assert.equal((await rpc('metadef_namespace_get', get, p)).namespace, 'one')
      const two = await rpc('metadef_namespace_get', { namespace_name: 'two' }, p)
      const change = { namespace_id: two.id, namespace_dict: { description: 'd' } }
      assert.equal(await failure('metadef_namespace_update', change, p), error('MetadefForbidden'))
      assert.equal((await rpc('metadef_namespace_update', change, q)).description, 'd')
      assert.equal((await rpc('metadef_namespace_get', get)).description, null)
      assert.equal(
        await failure('metadef_namespace_update', { ...change, namespace_dict: { namespace: 'one' } }),
        error('MetadefDuplicateNamespace'),
      )
      assert.equal(await failure('metadef_namespace_delete', { namespace_name: 'two' }, p), error('MetadefForbidden'))
      const associations = async (name: string): Promise<string> =>
        ((await rpc('metadef_resource_type_association_get_all_by_namespace', { namespace_name: name })) as { name: string }[])
          .map((one) => one.name)
          .join()
      await rpc('metadef_resource_type_association_create', { namespace_name: 'one', values: { name: 'R2', prefix: 'own' } })
      assert.deepEqual([await associations('one'), await associations('two')], ['R1,R2', 'R2'])
      const asked = await rpc('metadef_resource_type_association_get_all', { namespace_names: ['two'] })
      assert.deepEqual(
        asked.map((one: { name: string; namespace: string }) => one.namespace + one.name),
        ['twoR2'],
      )
      const association = { namespace_name: 'two', resource_type_name: 'R2' }
      assert.equal((await rpc('metadef_resource_type_association_get', association)).prefix, null)
      assert.equal((await rpc('metadef_resource_type_association_get', { ...association, namespace_name: 'one' })).prefix, 'own')
      assert.equal((await rpc('metadef_resource_type_get', { resource_type_name: 'R2' })).name, 'R2')
      await rpc('metadef_resource_type_association_delete', association)
      assert.deepEqual([await associations('one'), await associations('two')], ['R1,R2', ''])
      assert.equal(await failure('metadef_resource_type_association_get', association), error('MetadefResourceTypeAssociationNotFound'))
      await rpc('metadef_resource_type_create', { values: { name: 'R3' } })
      await rpc('metadef_resource_type_delete', { resource_type_name: 'R3' })
      const types = (await rpc('metadef_resource_type_get_all')) as { name: string }[]
      assert.deepEqual(
        types.map(({ name }) => name),
        ['R1', 'R2'],
      )
      await rpc('metadef_object_create', { namespace_name: 'one', object_dict: { name: 'stays' } })
      await rpc('metadef_namespace_update', { ...change, namespace_dict: { namespace: 'three' } })
      await rpc('metadef_namespace_delete', { namespace_name: 'three' })
      assert.equal(await list({}), 'one')
      assert.equal(await associations('one'), 'R1,R2')
      assert.equal(await rpc('metadef_object_count', { namespace_name: 'one' }), 1)
    },
  },
  {
    name: 'definitions: each is of its namespace and of its kind',
    async run({ rpc, failure }) {
      const [one, two] = [{ namespace_name: 'one' }, { namespace_name: 'two' }]
      for (const { namespace_name: namespace } of [one, two]) await rpc('metadef_namespace_create', { values: { namespace, owner: 'p' } })
      const created: Record<string, { id: number }> = {}
      for (const where of [one, two])
        for (const kind of kinds)
          created[`${where.namespace_name} ${kind}`] = await rpc(`metadef_${kind}_create`, {
            ...where,
            [`${kind}_dict`]: { name: 'x', json_schema: { of: where.namespace_name, kind } },
          })
      await rpc('metadef_tag_create_tags', { ...one, tag_list: [{ name: 'x' }, { name: 'y' }] })
      await rpc('metadef_tag_create_tags', { ...two, tag_list: [{ name: 'z' }] })
      const names = async (of: object): Promise<string> => {
        const found: string[] = []
        for (const kind of [...kinds, 'tag'])
          found.push(
            ((await rpc(`metadef_${kind}_get_all`, of)) as { name: string }[])
              .map(({ name }) => name)
              .toSorted()
              .join(''),
          )
        return found.join()
      }
      assert.deepEqual([await names(one), await names(two)], ['x,x,xy', 'x,x,z'])
      for (const kind of kinds) {
        const get = async (of: object) => (await rpc(`metadef_${kind}_get`, { ...of, [`${kind}_name`]: 'x' })).json_schema
        for (const where of [one, two]) assert.deepEqual(await get(where), { of: where.namespace_name, kind })
        const update = (of: object, id: number) => ({ ...of, [`${kind}_id`]: id, [`${kind}_dict`]: { json_schema: { changed: true } } })
        const missing = error(kind === 'object' ? 'MetadefObjectNotFound' : 'MetadefPropertyNotFound')
        const other = created[`one ${kind === 'object' ? 'property' : 'object'}`]!
        for (const { id } of [created[`two ${kind}`]!, other])
          assert.equal(await failure(`metadef_${kind}_update`, update(one, id)), missing)
        await rpc(`metadef_${kind}_update`, update(one, created[`one ${kind}`]!.id))
        assert.deepEqual([await get(one), await get(two)], [{ changed: true }, { of: 'two', kind }])
        assert.equal(await rpc(`metadef_${kind}_count`, one), 1)
      }
      // A name of another kind, or of another namespace, is free.
      const tag = await rpc('metadef_tag_get', { ...one, name: 'y' })
      assert.equal((await rpc('metadef_tag_update', { ...one, id: tag.id, tag_dict: { name: 'z' } })).name, 'z')
      assert.equal(await failure('metadef_tag_update', { ...one, id: tag.id, tag_dict: { name: 'x' } }), error('MetadefDuplicateTag'))
      assert.equal((await rpc('metadef_object_create', { ...one, object_dict: { name: 'z' } })).name, 'z')
      assert.equal(await failure('metadef_tag_create', { ...one, tag_dict: { name: 'z' } }), error('MetadefDuplicateTag'))
      const [page] = await rpc('metadef_tag_get_all', { ...one, sort_key: 'name', sort_dir: 'asc', marker: 'x', limit: 1 })
      assert.deepEqual([page.id, page.name], [tag.id, 'z'])
      await rpc('metadef_object_delete', { ...one, object_name: 'x' })
      assert.deepEqual([await names(one), await names(two)], ['z,x,xz', 'x,x,z'])
      assert.equal(await rpc('metadef_tag_delete_namespace_content', one), 2)
      assert.deepEqual([await names(one), await names(two)], ['z,x,', 'x,x,z'])
    },
  },
  {
    name: 'tasks: whose, and which',
    async run({ rpc, failure }) {
      const add = async (owner: string, more: object) =>
        (await rpc('task_create', { values: { type: 'import', status: 'pending', owner, ...more } })).id as string
      const a = await add('p', { image_id: 'i1', request_id: 'r1', user_id: 'u1' })
      const b = await add('p', { status: 'success', type: 'api_image_import' })
      const c = await add('q', {})
      const find = async (kwargs: object, as?: string): Promise<string> =>
        ((await rpc('task_get_all', kwargs, as)) as { id: string }[])
          .map(({ id }) => ({ [a]: 'a', [b]: 'b', [c]: 'c' })[id] ?? id)
          .toSorted()
          .join('')
      assert.deepEqual([await find({}), await find({}, p), await find({}, q), await find({}, nobody)], ['abc', 'ab', 'c', ''])
      assert.equal(await find({ admin_as_user: true }), '')
      for (const [filters, expected] of [
        [{ id: a }, 'a'],
        [{ type: 'import' }, 'ac'],
        [{ status: 'success' }, 'b'],
        [{ owner: 'q' }, 'c'],
        [{ image_id: 'i1' }, 'a'],
        [{ request_id: 'r1' }, 'a'],
        [{ user_id: 'u1' }, 'a'],
      ] as const)
        assert.equal(await find({ filters }), expected, JSON.stringify(filters))
      assert.equal(await failure('task_get', { task_id: a }, q), error('Forbidden'))
      for (const id of [a, b, c]) assert.equal((await rpc('task_get', { task_id: id })).id, id)
      assert.equal((await rpc('task_get', { task_id: a }, p)).id, a)
      await rpc('task_update', { task_id: a, values: { status: 'processing' } })
      assert.equal(await find({ filters: { status: 'processing' } }), 'a')
      await rpc('task_delete', { task_id: a })
      assert.deepEqual([await find({}), await find({ filters: { deleted: true } })], ['bc', 'abc'])
      assert.equal(await failure('task_get', { task_id: a }, p), error('TaskNotFound'))
      assert.equal((await rpc('task_get', { task_id: a, force_show_deleted: true }, p)).id, a)
    },
  },
  {
    name: 'usage: live copies of what is not gone',
    async run({ rpc }) {
      const place = (name: string) => ({ url: `file:///tmp/${name}`, metadata: {}, status: 'active' })
      const add = async (size: number, more: object) =>
        (await rpc('image_create', { values: { status: 'active', owner: 'u', size, locations: [place('1'), place('2')], ...more } }))
          .id as string
      const id = await add(100, {})
      await add(1_000, { status: 'killed' })
      await add(10_000, { owner: 'v' })
      const usage = (more: object = {}) => rpc('user_get_storage_usage', { owner_id: 'u', ...more })
      assert.deepEqual([await usage(), await usage({ image_id: id })], [200, 0])
      const [first] = (await rpc('image_get', { image_id: id })).locations
      await rpc('image_location_delete', { image_id: id, location_id: first.id, status: 'deleted' })
      assert.equal(await usage(), 100)
    },
  },
]
