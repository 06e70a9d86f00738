import { DatabaseSync, type StatementSync } from 'node:sqlite'

/* The checks read with statements of their own: what is checked must not be asked through the code under test. */

export interface SubcloudRow {
  readonly id: number
  readonly revision: number
  readonly name: string
  readonly deploy_status: string
  readonly management_state: string
  readonly availability_status: string
  readonly management_start_ip: string
  readonly [column: string]: unknown
}

export interface ChangeRow {
  readonly seq: number
  readonly subcloud_id: number
  readonly kind: 'created' | 'updated' | 'deleted'
  readonly fields: string
}

export interface JobRow {
  readonly id: string
  readonly kind: string
  readonly subject: string
  readonly exclusive_key: string | null
  readonly state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  readonly lease_owner: string | null
  readonly lease_epoch: number
  readonly cancel_requested: number
  readonly request_id: string | null
  readonly error: string | null
}

export interface SystemPeerRow {
  readonly id: number
  readonly peer_uuid: string
  readonly peer_name: string
  readonly availability_state: 'created' | 'available' | 'unavailable'
}

export interface PeerGroupRow {
  readonly id: number
  readonly peer_group_name: string
  readonly group_priority: number
  readonly group_state: string
  readonly max_subcloud_rehoming: number
  readonly system_leader_id: string
  readonly system_leader_name: string
  readonly migration_status: 'migrating' | 'complete' | null
  readonly revision: number
}

export interface AssociationRow {
  readonly id: number
  readonly peer_group_id: number
  readonly system_peer_id: number
  readonly association_type: 'primary' | 'non-primary'
  readonly synced_revision: number
  readonly sync_failure: string | null
  readonly remote_migration: string | null
  readonly reported_status: string | null
}

export interface BackupRow {
  readonly id: string
  readonly subcloud_id: number
  readonly release: string
  readonly state: 'storing' | 'stored'
  readonly file_name: string
}

export interface StepRow {
  readonly rowid: number
  readonly job_id: string
  readonly name: string
  readonly epoch: number
}

const jobColumns = 'id, kind, subject, exclusive_key, state, lease_owner, lease_epoch, cancel_requested, request_id, error'

/** What the database says now, read beside the product. */
export class Reader {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true, timeout: 1_000 })
  }

  changesAfter = (seq: number): ChangeRow[] => this.#all('select * from subcloud_changes where seq > ? order by seq', seq)
  lastChange = (): number => this.#all<{ seq: number | null }>('select max(seq) as seq from subcloud_changes')[0]?.seq ?? 0
  subclouds = (): SubcloudRow[] => this.#all('select * from subclouds order by id')
  subcloud = (id: number): SubcloudRow | undefined => this.#all<SubcloudRow>('select * from subclouds where id = ?', id)[0]
  /** Number of rows and the sum of their revisions: changes whenever any row does. */
  digest = (): { rows: number; revisions: number } =>
    this.#all<{ rows: number; revisions: number }>('select count(*) as rows, total(revision) as revisions from subclouds')[0]!
  liveJobs = (): JobRow[] => this.#all(`select ${jobColumns} from jobs where state in ('queued', 'running') order by id`)
  job = (id: string): JobRow | undefined => this.#all<JobRow>(`select ${jobColumns} from jobs where id = ?`, id)[0]
  jobInput = (id: string): string => this.#all<{ input: string }>('select input from jobs where id = ?', id)[0]?.input ?? '{}'
  jobsOfRequest = (id: string): JobRow[] => this.#all(`select ${jobColumns} from jobs where request_id = ?`, id)
  stepsAfter = (rowid: number): StepRow[] =>
    this.#all('select rowid, job_id, name, epoch from job_steps where rowid > ? order by rowid', rowid)
  lastStep = (): number => this.#all<{ last: number | null }>('select max(rowid) as last from job_steps')[0]?.last ?? 0
  hasStep = (job: string, name: string): boolean => this.#all('select 1 from job_steps where job_id = ? and name = ?', job, name).length > 0
  steps = (): number => this.#all<{ count: number }>('select count(*) as count from job_steps')[0]!.count
  failCount = (id: number): number =>
    this.#all<{ audit_fail_count: number }>('select audit_fail_count from subcloud_audits where subcloud_id = ?', id)[0]
      ?.audit_fail_count ?? 0
  statuses = (): { subcloud_id: number; endpoint_type: string; sync_status: string }[] =>
    this.#all('select subcloud_id, endpoint_type, sync_status from subcloud_status order by subcloud_id, id')
  groups = (): { id: number; name: string; description: string }[] =>
    this.#all('select id, name, description from subcloud_group order by id')
  reservations = (): { subcloud_id: number }[] => this.#all(`select subcloud_id from subcloud_networks where purpose = 'next'`)

  backups = (): BackupRow[] => this.#all(`select * from subcloud_backups where storage = 'central' order by created_at, id`)

  systemPeers = (): SystemPeerRow[] => this.#all('select * from system_peer order by id')
  peerGroups = (): PeerGroupRow[] => this.#all('select * from subcloud_peer_group order by id')
  associations = (): AssociationRow[] => this.#all('select * from peer_group_association order by id')

  /** Endpoints that are in-sync although their site is not online, or (the certificate apart) not managed. */
  brokenPromises = (): { id: number; endpoint_type: string; availability_status: string; management_state: string }[] =>
    this.#all(`
      select s.id, t.endpoint_type, s.availability_status, s.management_state
      from subclouds s join subcloud_status t on t.subcloud_id = s.id
      where t.sync_status = 'in-sync'
        and (s.availability_status <> 'online' or (s.management_state <> 'managed' and t.endpoint_type <> 'dc-cert'))
    `)

  /** Subclouds in one of these statuses on which no live job works. */
  lost(transient: readonly string[]): { id: number; deploy_status: string }[] {
    const list = transient.map((status) => `'${status}'`).join()
    return this.#all(
      `select id, deploy_status from subclouds where deploy_status in (${list}) and not exists (select 1 from jobs where exclusive_key = 'subcloud:' || subclouds.id)`,
    )
  }

  /** As `lost`, of backups. */
  lostBackups(transient: readonly string[]): { id: number; backup_status: string }[] {
    const list = transient.map((status) => `'${status}'`).join()
    return this.#all(
      `select id, backup_status from subclouds where backup_status in (${list}) and not exists (select 1 from jobs where exclusive_key = 'subcloud:' || subclouds.id)`,
    )
  }

  /** Subclouds that are being aborted by their status, but whose job knows nothing of it. */
  abortsUnheard = (): { id: number; deploy_status: string }[] =>
    this.#all(
      `select id, deploy_status from subclouds where deploy_status like 'aborting-%' and not exists (select 1 from jobs where exclusive_key = 'subcloud:' || subclouds.id and cancel_requested = 1)`,
    )

  /** Everything that `look` reads is of one moment: one read transaction, instead of one for each statement. */
  atOnce(look: () => void): void {
    this.#database.exec('begin')
    try {
      look()
    } finally {
      this.#database.exec('commit')
    }
  }

  close(): void {
    this.#prepared.clear()
    this.#database.close()
  }

  #all<T>(sql: string, ...parameters: (string | number)[]): T[] {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) this.#prepared.set(sql, (statement = this.#database.prepare(sql)))
    return statement.all(...parameters) as unknown as T[]
  }
}
