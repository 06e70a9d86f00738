import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as kysely from 'kysely'
import { Kysely, sql, type Compilable, type OperationNode } from 'kysely'
import { RedisDialect, UnsupportedNode } from '../index.ts'
import { nodeEnvironment } from '../node.ts'
import { RedisQueryCompiler } from './compiler.ts'
import { expression } from './selects.ts'

// Nothing is sent: compiling needs no server.
// oxlint-disable-next-line typescript/no-explicit-any -- the tables are made up
const db = new Kysely<any>({ dialect: new RedisDialect({ url: 'redis://127.0.0.1:1', environment: nodeEnvironment }) })
const t = db.selectFrom('t')

const refused: readonly (readonly [name: string, query: () => Compilable, kind: string, path: string])[] = [
  ['right join', () => t.rightJoin('u', 'u.id', 't.id').selectAll(), 'JoinNode', 'SelectQueryNode.joins[0].joinType'],
  ['full join', () => t.fullJoin('u', 'u.id', 't.id').selectAll(), 'JoinNode', 'SelectQueryNode.joins[0].joinType'],
  ['cross join', () => t.crossJoin('u').selectAll(), 'JoinNode', 'SelectQueryNode.joins[0].joinType'],
  ['two tables in from', () => db.selectFrom(['t', 'u']).selectAll(), 'TableNode', 'SelectQueryNode.from.froms[1]'],
  ['distinct on', () => t.distinctOn('a').selectAll(), 'SelectQueryNode', 'SelectQueryNode.distinctOn'],
  ['fetch', () => t.selectAll().fetch(1), 'SelectQueryNode', 'SelectQueryNode.fetch'],
  ['top', () => t.selectAll().top(1), 'SelectQueryNode', 'SelectQueryNode.top'],
  ['skip locked', () => t.selectAll().forUpdate().skipLocked(), 'SelectModifierNode', 'SelectQueryNode.endModifiers[1]'],
  ['for share', () => t.selectAll().forShare(), 'SelectModifierNode', 'SelectQueryNode.endModifiers[0]'],
  [
    'collate',
    () => t.selectAll().orderBy('a', (order) => order.collate('nocase')),
    'OrderByItemNode',
    'SelectQueryNode.orderBy.items[0].collation',
  ],
  ['raw condition', () => t.selectAll().where(sql<boolean>`a = ${1}`), 'RawNode', 'SelectQueryNode.where.where'],
  ['raw table', () => db.selectFrom(sql`generate_series(1, 2)`.as('g')).selectAll(), 'RawNode', 'SelectQueryNode.from.froms[0].node'],
  ['ilike', () => t.selectAll().where('a', 'ilike', 'x'), 'BinaryOperationNode', 'SelectQueryNode.where.where.operator'],
  ['regexp', () => t.selectAll().where('a', 'regexp', 'x'), 'BinaryOperationNode', 'SelectQueryNode.where.where.operator'],
  [
    'json',
    () =>
      t.select((eb) =>
        eb
          .ref('a', '->')
          .key('b' as never)
          .as('x'),
      ),
    'JSONReferenceNode',
    'SelectQueryNode.selections[0].selection.node',
  ],
  [
    'window',
    () => t.select((eb) => eb.fn.countAll().over().as('n')),
    'AggregateFunctionNode',
    'SelectQueryNode.selections[0].selection.node.over',
  ],
  [
    'unknown function',
    () => t.select((eb) => eb.fn('random').as('r')),
    'FunctionNode',
    'SelectQueryNode.selections[0].selection.node.func',
  ],
  [
    'tuple',
    () => t.selectAll().where((eb) => eb(eb.refTuple('a', 'b'), '=', eb.tuple(1, 2))),
    'TupleNode',
    'SelectQueryNode.where.where.leftOperand',
  ],
  [
    'missing parentheses',
    () => t.select((eb) => eb(eb('a', '-', 1), '*', 2).as('x')),
    'BinaryOperationNode',
    'SelectQueryNode.selections[0].selection.node.leftOperand',
  ],
  ['schema', () => db.withSchema('s').selectFrom('t').selectAll(), 'SchemableIdentifierNode', 'SelectQueryNode.from.froms[0].table.schema'],
  [
    'recursive with',
    () =>
      db
        .withRecursive('r', (q) => q.selectFrom('t').selectAll())
        .selectFrom('r')
        .selectAll(),
    'WithNode',
    'SelectQueryNode.with.recursive',
  ],
  [
    'changing with',
    () =>
      db
        .with('r', (q) => q.deleteFrom('t').returningAll())
        .selectFrom('r')
        .selectAll(),
    'DeleteQueryNode',
    'SelectQueryNode.with.expressions[0].expression',
  ],
  ['replace', () => db.replaceInto('t').values({ a: 1 }), 'InsertQueryNode', 'InsertQueryNode.replace'],
  ['insert ignore', () => db.insertInto('t').ignore().values({ a: 1 }), 'InsertQueryNode', 'InsertQueryNode.orAction'],
  [
    'on duplicate key',
    () => db.insertInto('t').values({ a: 1 }).onDuplicateKeyUpdate({ a: 2 }),
    'InsertQueryNode',
    'InsertQueryNode.onDuplicateKey',
  ],
  [
    'on conflict on constraint',
    () =>
      db
        .insertInto('t')
        .values({ a: 1 })
        .onConflict((c) => c.constraint('k').doNothing()),
    'OnConflictNode',
    'InsertQueryNode.onConflict.constraint',
  ],
  ['update from two tables', () => db.updateTable('t').from(['u', 'v']).set({ a: 1 }), 'TableNode', 'UpdateQueryNode.from.froms[1]'],
  ['update limit', () => db.updateTable('t').set({ a: 1 }).limit(1), 'UpdateQueryNode', 'UpdateQueryNode.limit'],
  ['delete using', () => db.deleteFrom('t').using('u'), 'DeleteQueryNode', 'DeleteQueryNode.using'],
  ['delete order', () => db.deleteFrom('t').orderBy('a'), 'DeleteQueryNode', 'DeleteQueryNode.orderBy'],
  ['merge', () => db.mergeInto('t').using('u', 'u.id', 't.id').whenMatched().thenDelete(), 'MergeQueryNode', 'MergeQueryNode'],
  ['view', () => db.schema.createView('v').as(t.selectAll()), 'CreateViewNode', 'CreateViewNode'],
  ['schema creation', () => db.schema.createSchema('s'), 'CreateSchemaNode', 'CreateSchemaNode'],
  ['type', () => db.schema.createType('e').asEnum(['a']), 'CreateTypeNode', 'CreateTypeNode'],
  [
    'check constraint',
    () => db.schema.createTable('n').addColumn('a', 'text', (c) => c.check(sql`a > 1`)),
    'ColumnDefinitionNode',
    'CreateTableNode.columns[0].check',
  ],
  ['column type', () => db.schema.createTable('n').addColumn('a', 'jsonb'), 'DataTypeNode', 'CreateTableNode.columns[0].dataType'],
  [
    'raw column type',
    () => db.schema.createTable('n').addColumn('a', sql`text collate "C"`),
    'RawNode',
    'CreateTableNode.columns[0].dataType',
  ],
  ['partial index', () => db.schema.createIndex('i').on('t').column('a').where('a', '>', 1), 'CreateIndexNode', 'CreateIndexNode.where'],
  [
    'index expression',
    () =>
      db.schema
        .createIndex('i')
        .on('t')
        .expression(sql`lower(a)`),
    'RawNode',
    'CreateIndexNode.columns[0]',
  ],
  [
    'default expression',
    () => db.schema.createTable('n').addColumn('a', 'text', (c) => c.defaultTo(sql`now()`)),
    'RawNode',
    'CreateTableNode.columns[0].defaultTo.defaultValue',
  ],
]

for (const [name, query, kind, path] of refused) {
  test(`${name} is refused when it is compiled, with the node and its path`, () => {
    assert.throws(
      () => query().compile(),
      (error: unknown) => {
        assert.ok(error instanceof UnsupportedNode, String(error))
        assert.deepEqual([error.nodeKind, error.path], [kind, path])
        return true
      },
    )
  })
}

const rootKinds = [
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'CreateTableNode',
  'DropTableNode',
  'CreateIndexNode',
  'DropIndexNode',
  'AlterTableNode',
]
const expressionKinds = [
  'ParensNode',
  'ValueNode',
  'AndNode',
  'OrNode',
  'ReferenceNode',
  'ColumnNode',
  'BinaryOperationNode',
  'UnaryOperationNode',
  'SelectQueryNode',
  'FunctionNode',
  'AggregateFunctionNode',
  'CaseNode',
  'CastNode',
]
const allKinds = Object.keys(kysely).filter(
  (name) => name.endsWith('Node') && typeof (kysely as Record<string, unknown>)[name] === 'object',
)

test('every kind of node that Kysely has is either known or refused, as a statement and as an expression', () => {
  assert.ok(allKinds.length >= 90, `${allKinds.length} kinds`)
  for (const kind of allKinds) {
    const node = { kind, sqlFragments: ['select 1'], parameters: [] } as unknown as OperationNode
    if (!rootKinds.includes(kind))
      assert.throws(() => new RedisQueryCompiler().compileQuery(node as never, { queryId: '' }), UnsupportedNode, kind)
    if (!expressionKinds.includes(kind)) assert.throws(() => expression(node, ''), UnsupportedNode, kind)
  }
})

test('a clause that a newer version of Kysely might add is refused, not ignored', () => {
  const node = { ...t.selectAll().toOperationNode(), qualify: { kind: 'WhereNode' } }
  assert.throws(() => new RedisQueryCompiler().compileQuery(node, { queryId: '' }), UnsupportedNode)
})

test('values that have no meaning in a column are refused', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 'a\0b', '\ud800', {}, Symbol('s'), new Date(Number.NaN), 2n ** 64n])
    assert.throws(
      () =>
        t
          .selectAll()
          .where('a', '=', value as never)
          .compile(),
      { name: 'RedisDatabaseError' },
    )
})
