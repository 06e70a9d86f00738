import type { Columns } from '@murmuration/data'
import type { ColumnDefinitionBuilder, Kysely } from 'kysely'

const required = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull()

/** Definitions of metadata (reference image §3.1); objects, properties and tags of a namespace are rows of one table. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function metadefs(db: Kysely<any>, c: Columns): Promise<void> {
  await db.schema
    .createTable('metadef_namespaces')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('namespace', c.text, (column) => column.notNull().unique())
    .addColumn('display_name', c.text)
    .addColumn('description', c.text)
    .addColumn('visibility', c.text, required)
    .addColumn('protected', c.flag, required)
    .addColumn('owner', c.text, required)
    .addColumn('created_at', c.timestamp, required)
    .addColumn('updated_at', c.timestamp, required)
    .execute()
  await db.schema.createIndex('metadef_namespaces_newest').on('metadef_namespaces').columns(['created_at', 'id']).execute()

  const ofNamespace = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull().references('metadef_namespaces.id')
  await db.schema
    .createTable('metadef_entries')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('namespace_id', c.bigint, ofNamespace)
    .addColumn('kind', c.text, required)
    .addColumn('name', c.text, required)
    .addColumn('description', c.text)
    .addColumn('required', c.json)
    .addColumn('json_schema', c.json)
    .addColumn('created_at', c.timestamp, required)
    .addColumn('updated_at', c.timestamp, required)
    .addUniqueConstraint('metadef_entries_name', ['namespace_id', 'kind', 'name'])
    .execute()

  await db.schema
    .createTable('metadef_resource_types')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('name', c.text, (column) => column.notNull().unique())
    .addColumn('protected', c.flag, required)
    .addColumn('created_at', c.timestamp, required)
    .addColumn('updated_at', c.timestamp, required)
    .execute()

  await db.schema
    .createTable('metadef_associations')
    .addColumn('id', c.id.type, c.id.with)
    .addColumn('namespace_id', c.bigint, ofNamespace)
    .addColumn('resource_type', c.text, (column) => column.notNull().references('metadef_resource_types.name'))
    .addColumn('properties_target', c.text)
    .addColumn('prefix', c.text)
    .addColumn('created_at', c.timestamp, required)
    .addColumn('updated_at', c.timestamp, required)
    .addUniqueConstraint('metadef_associations_pair', ['namespace_id', 'resource_type'])
    .execute()
  await db.schema.createIndex('metadef_associations_type').on('metadef_associations').columns(['resource_type', 'namespace_id']).execute()
}
