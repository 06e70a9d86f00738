import { associationSync } from './association-sync.ts'
import { auditSweep } from './audit-sweep.ts'
import { controllerBackup } from './controller-backup.ts'
import { engines } from './engines.ts'
import { geoHeartbeat } from './geo-heartbeat.ts'
import { groupBackups } from './group-backup.ts'
import { imageData } from './image-data.ts'
import { imageList } from './image-list.ts'
import { migrateGroup } from './migrate-group.ts'
import { start } from './start.ts'
import { subcloudList } from './subcloud-list.ts'
import { tokenValidation } from './token-validation.ts'

export { record } from './results.ts'

/** Each measures, and says in lines for people what came out and how that compares with a limit of the same run. */
export const benchmarks = {
  'association-sync': associationSync,
  'subcloud-list': subcloudList,
  'token-validation': tokenValidation,
  'audit-sweep': () => auditSweep({ tls: false, kept: true }),
  'audit-sweep-tls': () => auditSweep({ tls: true, kept: false }),
  'audit-sweep-tls-kept': () => auditSweep({ tls: true, kept: true }),
  'controller-backup': controllerBackup,
  engines,
  'geo-heartbeat': geoHeartbeat,
  'group-backup': groupBackups,
  'image-data': imageData,
  'image-list': imageList,
  'migrate-group': migrateGroup,
  start,
} as const satisfies Record<string, () => Promise<readonly string[]>>
