import {
  allBackupStatuses,
  backupEdges,
  backupStatuses,
  failedBackupStatusOf,
  isBackupTransient,
  type BackupStatus,
} from '@murmuration/dcmanager'
import { code, madeFrom, table } from './markdown.ts'

const lost = (status: BackupStatus): string => failedBackupStatusOf(status) ?? ''
const id = (status: string): string => status.replaceAll('-', '_')

/** docs/reference/backup-status.md */
export function backupStatusPage(): string {
  const drawn: (readonly [from: string, to: string, event: string])[] = [
    ['[*]', 'validating', 'create'],
    ['[*]', 'deleting-backup', 'delete'],
    ...backupEdges,
    ...allBackupStatuses
      .filter((status) => isBackupTransient(status) && backupEdges.some(([from]) => from === status))
      .map((status) => [status, lost(status), 'fails'] as const),
  ]
  const used = allBackupStatuses.filter((status) => drawn.some(([from, to]) => from === status || to === status))
  return [
    madeFrom('services/dcmanager/src/rules/backup-status.ts'),
    '# Backup statuses',
    'The `backup-status` of a subcloud; `null` before its first backup. *Transitional*: an operation works on its backups now, and every\nother operation is refused; the status after "else" stands there when the operation fails, or when its job is gone.',
    table(
      ['status', 'meaning', 'transitional'],
      allBackupStatuses.map((status) => [
        code(status),
        backupStatuses[status].meaning,
        isBackupTransient(status) ? `yes, else ${code(lost(status))}` : '',
      ]),
    ),
    '## How a backup goes',
    'A create or a delete begins from every status that is not transitional.',
    [
      '```mermaid',
      'stateDiagram-v2',
      ...used.map((status) => `  state "${status}" as ${id(status)}`),
      ...drawn.map(([from, to, event]) => `  ${from === '[*]' ? from : id(from)} --> ${id(to)}: ${event}`),
      '```',
    ].join('\n'),
    '',
  ].join('\n\n')
}
