import { CreateTableNode, RawNode, type KyselyPlugin } from 'kysely'

/** SQLite keeps any text in an integer column unless the table is STRICT; PostgreSQL refuses it. Both shall refuse. */
export const strictTables: KyselyPlugin = {
  transformQuery: ({ node }) =>
    CreateTableNode.is(node) && !node.selectQuery ? CreateTableNode.cloneWithEndModifier(node, RawNode.createWithSql('strict')) : node,
  transformResult: async ({ result }) => result,
}
