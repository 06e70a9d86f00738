import { createApp, dcmanagerFaults, type App, type Policy, type TokenValidator } from '@murmuration/http'
import { associationRoutes } from './associations.ts'
import type { ApiContext } from './context.ts'
import { controllerAuthorityRoutes } from './controller-authority.ts'
import { deployFileRoutes } from './deploy-files.ts'
import { groupRoutes } from './groups.ts'
import { peerGroupMigrateRoutes } from './peer-group-migrate.ts'
import { peerGroupRoutes } from './peer-groups.ts'
import { phasedDeployRoutes } from './phased-deploy.ts'
import { standbyCopyRoutes } from './standby-copies.ts'
import { addSubcloudRoutes } from './subcloud-add.ts'
import { deleteSubcloudRoutes } from './subcloud-delete.ts'
import { patchSubcloudRoutes } from './subcloud-patch.ts'
import { subcloudRoutes } from './subclouds.ts'
import { systemPeerRoutes } from './system-peers.ts'
import { subcloudBackupRoutes } from './subcloud-backup.ts'
import { versionRoutes } from './versions.ts'

export interface ApiOptions {
  readonly tokens: TokenValidator
  readonly policy: Policy
  /** Further routes of this app: alarms, notifications, operations, changes. */
  readonly more?: readonly ((app: App) => void)[]
}

/** The HTTP application of operations 1–7, 9–20 and 22–54 (reference dcmanager §1.6), and of `more`. */
export async function createDcmanagerApp(context: ApiContext, options: ApiOptions): Promise<App> {
  const { site, desk } = context
  const app = await createApp({
    world: site.world,
    service: 'dcmanager',
    faults: dcmanagerFaults,
    tokens: options.tokens,
    policy: options.policy,
    identityUrl: site.config.identity.url,
    ready: { database: () => desk.database.ping() },
  })
  versionRoutes(app)
  for (const routes of [
    subcloudRoutes,
    addSubcloudRoutes,
    patchSubcloudRoutes,
    deleteSubcloudRoutes,
    phasedDeployRoutes,
    deployFileRoutes,
    groupRoutes,
    peerGroupRoutes,
    peerGroupMigrateRoutes,
    standbyCopyRoutes,
    associationRoutes,
    systemPeerRoutes,
    controllerAuthorityRoutes,
    subcloudBackupRoutes,
  ])
    routes(app, context)
  for (const routes of options.more ?? []) routes(app)
  return app
}
