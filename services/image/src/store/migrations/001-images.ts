import type { Columns } from '@murmuration/data'
import type { ColumnDefinitionBuilder, CreateTableBuilder, Kysely } from 'kysely'

const required = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull()

// oxlint-disable-next-line typescript/no-explicit-any -- whichever columns it has so far
type Table = CreateTableBuilder<any, any>

/** All tables of ../schema.ts. */
// oxlint-disable-next-line typescript/no-explicit-any -- a migration writes the schema, so no type of it holds
export async function images(db: Kysely<any>, c: Columns): Promise<void> {
  const times = (table: Table): Table => table.addColumn('created_at', c.timestamp, required).addColumn('updated_at', c.timestamp, required)
  const kept = (table: Table): Table => times(table).addColumn('deleted_at', c.timestamp).addColumn('deleted', c.flag, required)
  const ofImage = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull().references('images.id')

  await kept(
    db.schema
      .createTable('images')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('name', c.text)
      .addColumn('disk_format', c.text)
      .addColumn('container_format', c.text)
      .addColumn('size', c.bigint)
      .addColumn('virtual_size', c.bigint)
      .addColumn('status', c.text, required)
      .addColumn('visibility', c.text, required)
      .addColumn('checksum', c.text)
      .addColumn('os_hash_algo', c.text)
      .addColumn('os_hash_value', c.text)
      .addColumn('min_disk', c.integer, required)
      .addColumn('min_ram', c.integer, required)
      .addColumn('owner', c.text)
      .addColumn('protected', c.flag, required)
      .addColumn('os_hidden', c.flag, required),
  ).execute()
  // Lists: the newest of what lives, of one project, of one visibility.
  await db.schema.createIndex('images_newest').on('images').columns(['deleted', 'created_at', 'id']).execute()
  await db.schema.createIndex('images_owner').on('images').columns(['owner', 'deleted', 'created_at', 'id']).execute()
  await db.schema.createIndex('images_visibility').on('images').columns(['visibility', 'deleted', 'created_at', 'id']).execute()
  await db.schema.createIndex('images_name').on('images').columns(['name', 'deleted']).execute()
  await db.schema.createIndex('images_status').on('images').columns(['status', 'updated_at']).execute()

  await kept(
    db.schema
      .createTable('image_properties')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('image_id', c.text, ofImage)
      .addColumn('name', c.text, required)
      .addColumn('value', c.text)
      .addUniqueConstraint('image_properties_name', ['image_id', 'name']),
  ).execute()
  await db.schema.createIndex('image_properties_by_name').on('image_properties').columns(['name', 'image_id']).execute()

  await kept(
    db.schema
      .createTable('image_tags')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('image_id', c.text, ofImage)
      .addColumn('value', c.text, required),
  ).execute()
  await db.schema.createIndex('image_tags_image').on('image_tags').columns(['image_id', 'value']).execute()
  await db.schema.createIndex('image_tags_value').on('image_tags').columns(['value', 'deleted', 'image_id']).execute()

  await kept(
    db.schema
      .createTable('image_locations')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('image_id', c.text, ofImage)
      .addColumn('url', c.text, required)
      .addColumn('meta_data', c.json, required)
      .addColumn('status', c.text, required)
      .addColumn('data_id', c.text),
  ).execute()
  await db.schema.createIndex('image_locations_image').on('image_locations').columns(['image_id', 'id']).execute()
  await db.schema.createIndex('image_locations_data').on('image_locations').columns(['data_id']).execute()

  await kept(
    db.schema
      .createTable('image_members')
      .addColumn('id', c.id.type, c.id.with)
      .addColumn('image_id', c.text, ofImage)
      .addColumn('member', c.text, required)
      .addColumn('can_share', c.flag, required)
      .addColumn('status', c.text, required)
      .addUniqueConstraint('image_members_member', ['image_id', 'member']),
  ).execute()
  await db.schema.createIndex('image_members_by_member').on('image_members').columns(['member', 'deleted', 'image_id']).execute()

  await times(
    db.schema
      .createTable('image_data')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('image_id', c.text, ofImage)
      .addColumn('owner', c.text)
      .addColumn('store', c.text, required)
      .addColumn('state', c.text, required)
      .addColumn('bytes', c.bigint, required)
      .addColumn('lease_until', c.timestamp),
  ).execute()
  await db.schema.createIndex('image_data_owner').on('image_data').columns(['owner', 'bytes']).execute()
  await db.schema.createIndex('image_data_image').on('image_data').columns(['image_id']).execute()
  await db.schema.createIndex('image_data_state').on('image_data').columns(['state', 'lease_until']).execute()
  await db.schema.createIndex('image_data_store').on('image_data').columns(['store', 'id']).execute()

  await kept(
    db.schema
      .createTable('tasks')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('type', c.text, required)
      .addColumn('status', c.text, required)
      .addColumn('owner', c.text, required)
      .addColumn('expires_at', c.timestamp)
      .addColumn('image_id', c.text)
      .addColumn('request_id', c.text)
      .addColumn('user_id', c.text)
      .addColumn('input', c.json)
      .addColumn('result', c.json)
      .addColumn('message', c.text),
  ).execute()
  await db.schema.createIndex('tasks_newest').on('tasks').columns(['deleted', 'created_at', 'id']).execute()
  await db.schema.createIndex('tasks_owner').on('tasks').columns(['owner', 'deleted', 'created_at']).execute()
  await db.schema.createIndex('tasks_image').on('tasks').columns(['image_id', 'created_at']).execute()
}
