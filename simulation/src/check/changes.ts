import { Violation } from './violation.ts'
import { backupEdgeProblem, edgeProblem, standbyStatuses, type Before } from './lifecycle-edges.ts'
import type { ChangeRow, Reader, SubcloudRow } from './reader.ts'

/** Names on the wire of the columns that the change stream must tell (reference dcmanager §1.5), to columns. */
const told: Readonly<Record<string, string>> = {
  name: 'name',
  description: 'description',
  location: 'location',
  'software-version': 'software_version',
  'management-state': 'management_state',
  'availability-status': 'availability_status',
  'deploy-status': 'deploy_status',
  'backup-status': 'backup_status',
  'error-description': 'error_description',
  'management-subnet': 'management_subnet',
  'management-start-ip': 'management_start_ip',
  'management-end-ip': 'management_end_ip',
  'management-gateway-ip': 'management_gateway_ip',
  group_id: 'group_id',
}

export interface ChangeEars {
  readonly failuresToOffline: number
  readonly note: (what: string) => void
  readonly moved: (id: number, from: string, to: string) => void
  /** A request to manage this subcloud by force is being handled. */
  readonly isForced: (id: number) => boolean
}

interface Shadow {
  revision: number
  readonly fields: Record<string, unknown>
}

/**
 * Every row is what its changes make of it, each change is counted once, and statuses only move along the lifecycle. The changes
 * are read in their order of commit, so a reader of the stream would see the same.
 */
export class ChangeCheck {
  readonly #reader: Reader
  readonly #ears: ChangeEars
  readonly #shadows = new Map<number, Shadow>()
  #seq: number

  constructor(reader: Reader, ears: ChangeEars) {
    this.#reader = reader
    this.#ears = ears
    this.#seq = reader.lastChange()
    for (const row of reader.subclouds()) this.#shadows.set(row.id, { revision: row.revision, fields: fieldsOf(row) })
  }

  /** What a subcloud was by the changes seen so far. */
  before(id: number): Before | undefined {
    const shadow = this.#shadows.get(id)
    return shadow === undefined ? undefined : stateOf(shadow)
  }

  look(processName: string): void {
    for (const change of this.#reader.changesAfter(this.#seq)) {
      if (change.seq <= this.#seq) throw new Violation('change-log', `change ${change.seq} came after ${this.#seq}`)
      this.#seq = change.seq
      this.#apply(change, processName)
    }
    const { rows, revisions } = this.#reader.digest()
    const counted = [...this.#shadows.values()].reduce((sum, shadow) => sum + shadow.revision, 0)
    if (rows !== this.#shadows.size || revisions !== counted) this.compare()
  }

  /** Row by row, column by column. */
  compare(): void {
    const rows = this.#reader.subclouds()
    for (const row of rows) {
      const shadow = this.#shadows.get(row.id)
      if (shadow === undefined) throw new Violation('change-log', `subcloud ${row.id} is there, but no change told of it`)
      if (row.revision !== shadow.revision)
        throw new Violation(
          'change-log',
          `subcloud ${row.id} (${row.name}) has revision ${row.revision}, but its changes make ${shadow.revision}: a write and its change do not belong together`,
        )
      for (const [name, column] of Object.entries(told))
        if (shadow.fields[name] !== row[column])
          throw new Violation(
            'change-log',
            `subcloud ${row.id}: ${column} is ${JSON.stringify(row[column])}, but its changes make ${JSON.stringify(shadow.fields[name])}`,
          )
    }
    if (rows.length !== this.#shadows.size) throw new Violation('change-log', 'a subcloud is gone, and no change told of it')
  }

  #apply(change: ChangeRow, processName: string): void {
    const fields = JSON.parse(change.fields) as Record<string, unknown>
    const shadow = this.#shadows.get(change.subcloud_id)
    const id = change.subcloud_id
    if (change.kind === 'created') {
      if (shadow !== undefined) throw new Violation('change-log', `subcloud ${id} was created twice`)
      this.#shadows.set(id, { revision: 1, fields })
      this.#ears.note(`${processName}: subcloud ${id} created as ${String(fields['name'])}`)
      return
    }
    if (shadow === undefined)
      throw new Violation('change-log', `change ${change.seq} (${change.kind}) is of subcloud ${id}, which is not there`)
    if (change.kind === 'deleted') {
      this.#shadows.delete(id)
      this.#ears.note(`${processName}: subcloud ${id} deleted`)
      return
    }
    const before = stateOf(shadow)
    if (
      fields['name'] !== undefined &&
      fields['name'] !== shadow.fields['name'] &&
      (before.managementState !== 'unmanaged' || before.deployStatus !== 'complete')
    )
      throw new Violation('lifecycle', `subcloud ${id} was renamed while it was ${before.managementState} and ${before.deployStatus}`)
    const backup = textOf(fields['backup-status'])
    const from = textOf(shadow.fields['backup-status'])
    if (backup !== null && backup !== from) {
      this.#ears.note(`${processName}: the backup of subcloud ${id} ${from} → ${backup}`)
      const problem = backupEdgeProblem(from, backup)
      if (problem !== undefined) throw new Violation('lifecycle', `the backup of subcloud ${id}: ${problem}`)
    }
    shadow.revision += 1
    Object.assign(shadow.fields, fields)
    this.#judge(id, before, stateOf(shadow), processName)
  }

  #judge(id: number, before: Before, after: Before, processName: string): void {
    if (before.deployStatus !== after.deployStatus) {
      this.#ears.note(`${processName}: subcloud ${id} ${before.deployStatus} → ${after.deployStatus}`)
      const problem = edgeProblem(before, after.deployStatus)
      if (problem !== undefined) throw new Violation('lifecycle', `subcloud ${id}: ${problem}`)
      this.#ears.moved(id, before.deployStatus, after.deployStatus)
    }
    if (before.managementState !== after.managementState) this.#managed(id, before, after, processName)
    if (before.availability !== after.availability) {
      this.#ears.note(`${processName}: subcloud ${id} is ${after.availability}`)
      const failed = this.#reader.failCount(id)
      // Who learns that another controller manages it asks no more, and shows it as offline.
      const isStandby = standbyStatuses.has(after.deployStatus)
      if (after.availability === 'offline' && !isStandby && failed < this.#ears.failuresToOffline)
        throw new Violation(
          'offline-rule',
          `subcloud ${id} went offline after ${failed} failed audits, not ${this.#ears.failuresToOffline}`,
        )
    }
  }

  #managed(id: number, before: Before, after: Before, processName: string): void {
    this.#ears.note(`${processName}: subcloud ${id} is ${after.managementState}`)
    if (after.managementState !== 'managed' || this.#ears.isForced(id)) return
    // What was given up for a migration that does not happen is given back as it was, wherever its site is now.
    if (before.deployStatus === 'rehome-pending' && after.deployStatus === 'complete') return
    if (before.deployStatus !== 'complete' || before.availability !== 'online')
      throw new Violation(
        'lifecycle',
        `subcloud ${id} became managed without force while it was ${before.deployStatus} and ${before.availability}`,
      )
  }
}

const fieldsOf = (row: SubcloudRow): Record<string, unknown> =>
  Object.fromEntries(Object.entries(told).map(([name, column]) => [name, row[column]]))

const stateOf = ({ fields }: Shadow): Before => ({
  deployStatus: String(fields['deploy-status']),
  managementState: String(fields['management-state']),
  availability: String(fields['availability-status']),
})

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)
