import type { Migrations } from '@murmuration/data'

/** Names start with `000-jobs`; a service spreads them into its own migrations. */
export declare const jobMigrations: Migrations
