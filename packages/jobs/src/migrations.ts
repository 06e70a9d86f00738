import type { Migrations } from '@murmuration/data'

/** Names start with `000-jobs`; a service spreads them into its own migrations. */
export const jobMigrations: Migrations = {
  '000-jobs': async (db, c) => {
    await db.schema
      .createTable('jobs')
      .addColumn('id', c.text, (column) => column.primaryKey())
      .addColumn('kind', c.text, (column) => column.notNull())
      .addColumn('subject', c.text, (column) => column.notNull())
      .addColumn('exclusive_key', c.text, (column) => column.unique())
      .addColumn('input', c.json, (column) => column.notNull())
      .addColumn('state', c.text, (column) => column.notNull())
      .addColumn('attempt', c.integer, (column) => column.notNull())
      .addColumn('run_at', c.timestamp, (column) => column.notNull())
      .addColumn('lease_owner', c.text)
      .addColumn('lease_epoch', c.integer, (column) => column.notNull())
      .addColumn('lease_until', c.timestamp)
      .addColumn('cancel_requested', c.flag, (column) => column.notNull())
      .addColumn('cancel_reason', c.text)
      .addColumn('progress', c.text)
      .addColumn('outcome', c.json)
      .addColumn('error', c.text)
      .addColumn('requested_by', c.text)
      .addColumn('request_id', c.text)
      .addColumn('created_at', c.timestamp, (column) => column.notNull())
      .addColumn('started_at', c.timestamp)
      .addColumn('finished_at', c.timestamp)
      .addColumn('updated_at', c.timestamp, (column) => column.notNull())
      .execute()
    // Claims: what is due of a kind. Ended jobs lie at other states and don't slow it down.
    await db.schema.createIndex('jobs_due').on('jobs').columns(['state', 'kind', 'run_at']).execute()
    await db.schema.createIndex('jobs_subject').on('jobs').columns(['subject', 'created_at']).execute()
    // Retention, and the newest first.
    await db.schema.createIndex('jobs_finished').on('jobs').columns(['kind', 'finished_at']).execute()
    await db.schema.createIndex('jobs_created').on('jobs').columns(['created_at', 'id']).execute()
    await db.schema
      .createTable('job_steps')
      .addColumn('job_id', c.text, (column) => column.notNull().references('jobs.id').onDelete('cascade'))
      .addColumn('name', c.text, (column) => column.notNull())
      .addColumn('sequence', c.integer, (column) => column.notNull())
      .addColumn('result', c.json)
      .addColumn('epoch', c.integer, (column) => column.notNull())
      .addColumn('started_at', c.timestamp, (column) => column.notNull())
      .addColumn('finished_at', c.timestamp, (column) => column.notNull())
      .addPrimaryKeyConstraint('job_steps_key', ['job_id', 'name'])
      .execute()
  },
  '000-jobs-lost-leases': async (db, c) => {
    await db.schema
      .alterTable('jobs')
      .addColumn('lost_leases', c.integer, (column) => column.notNull().defaultTo(0))
      .execute()
  },
}
