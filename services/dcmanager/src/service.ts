import type { Database } from '@murmuration/data'
import { createPolicy } from '@murmuration/http'
import { policyFileOf, type Service, type Site } from '@murmuration/site'
import type { ListenAddress } from '@murmuration/world'
import { addAlarmRoutes } from './api/alarms.ts'
import { createDcmanagerApp } from './api/app.ts'
import { addChangeRoutes } from './api/changes.ts'
import type { ApiContext } from './api/context.ts'
import { addNotificationRoutes } from './api/notifications.ts'
import { addOperationRoutes } from './api/operations.ts'
import { policies } from './policies.ts'
import type { Desk } from './store/claims.ts'
import { migrations } from './store/migrations/index.ts'
import type { Schema } from './store/schema.ts'
import { createAuditor } from './work/audit-loop.ts'
import { createChangeFeed } from './work/change-feed.ts'
import { createControllerFacts, type ControllerFacts } from './work/controller-facts.ts'
import { createDeployFiles } from './work/deploy-files.ts'
import { readLiveDetail } from './work/live-detail.ts'
import { createImageServer } from './work/image-server.ts'
import { createManager } from './work/manager.ts'
import { createAuditOnRequest } from './work/peer-group-audit.ts'
import { createPeerPush } from './work/peer-push.ts'
import { createPeerRoom } from './work/peer-room.ts'
import { createPeers, type Peers } from './work/peers.ts'
import { createRehomePeers } from './work/rehome-peers.ts'
import { createTakeover } from './work/takeover.ts'
import { createStateKeeper } from './work/state-keeper.ts'
import { auditTopic, changesTopic, managerTopic } from './work/topics.ts'
import { healthProblems } from './work/site-health.ts'
import { waitForJob, waitForJobs } from './work/wait-for-job.ts'

/** How long a caller of an operation that is synchronous in the original waits for it; clients give up at 60 s. */
const patienceMs = 55_000

interface Room {
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * The distributed cloud manager of a site: API, manager, audit and state, of which this process does what its roles say. Any
 * number of processes with any roles share the database.
 */
export async function createDcmanagerService(site: Site): Promise<Service> {
  const { roles } = site.config
  const database = await site.openDatabase<Schema>('dcmanager')
  try {
    await database.migrate(migrations)
    const facts = createControllerFacts(site)
    const peers = createPeers(site, facts)
    const api = roles.includes('api') ? await createApi(site, database, facts, peers) : undefined
    const rooms: Room[] = [
      ...(api === undefined ? [] : [api.room]),
      ...(roles.includes('state') ? [createStateKeeper(site, database)] : []),
      ...(roles.includes('manager')
        ? [
            createImageServer(site, database),
            createManager(site, database, facts, { rehomePeers: createRehomePeers(site, database, peers) }),
            createPeerRoom({ site, database, facts, peers, afterRound: createTakeover(deskOf(site, database)) }),
          ]
        : []),
      ...(roles.includes('audit') ? [createAuditor(site, database, facts)] : []),
    ]
    return {
      name: 'dcmanager',
      apps: api === undefined ? [] : [api.app],
      async start() {
        for (const room of rooms) await room.start()
      },
      async stop() {
        // All of them, whatever one of them says; the database last.
        const ends = await Promise.allSettled(rooms.map((room) => room.stop()))
        await database.close()
        const failed = ends.find((end) => end.status === 'rejected')
        if (failed !== undefined) throw failed.reason
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function createApi(site: Site, database: Database<Schema>, facts: ControllerFacts, peers: Peers) {
  const { world, config } = site
  const file = policyFileOf(config, 'dcmanager')
  const policy = await createPolicy(world, policies, file === undefined ? {} : { file })
  const feed = createChangeFeed(site, database)
  const context = apiContextOf(site, database, facts, peers)
  const app = await createDcmanagerApp(context, {
    tokens: site.tokens,
    policy,
    more: [
      (to) => addAlarmRoutes(to, { database }),
      (to) => addNotificationRoutes(to, { site, database }),
      (to) => addOperationRoutes(to, { site, database }),
      (to) => addChangeRoutes(to, { site, feed }),
    ],
  })
  const room: Room = {
    start: () => feed.start(),
    async stop() {
      // Streams end first: an app waits for its answers.
      await feed.stop()
      await app.close()
      policy.close()
    },
  }
  return { room, app: { name: 'dcmanager', endpoint: await app.endpoint(), listen: await listenAddresses(site) } }
}

/** TLS besides, where the site has a certificate (a site behind somebody else's proxy may have none). */
async function listenAddresses({ world, config }: Site): Promise<ListenAddress[]> {
  const { listenAddress: host, ports, tls } = config
  const plain = { host, port: ports.dcmanager }
  const certified = (await world.files.size(tls.certFile)) !== undefined && (await world.files.size(tls.keyFile)) !== undefined
  return certified ? [plain, { host, port: ports.dcmanagerTls, tls: { certFile: tls.certFile, keyFile: tls.keyFile } }] : [plain]
}

/** Exported for tests that want the real thing around a fake site. */
export function apiContextOf(
  site: Site,
  database: Database<Schema>,
  facts: ApiContext['facts'],
  peers: Peers = createPeers(site, { ownSystem: () => facts.system() }),
): ApiContext {
  const { world, config } = site
  return {
    site,
    desk: deskOf(site, database),
    facts,
    deployFiles: createDeployFiles(world, config.varFolder),
    waitForJob: (jobId) => waitForJob(site, database, jobId, patienceMs),
    waitForJobs: (jobIds) => waitForJobs(site, database, jobIds, patienceMs),
    healthProblems: (subcloud) => healthProblems(site, subcloud),
    liveDetail: (subcloud) => readLiveDetail(site, subcloud),
    pushPeerGroup: createPeerPush(peers, world.log),
    auditPeerGroup: createAuditOnRequest({ site, database, facts: { ownSystem: () => facts.system() }, peers }),
  }
}

export function deskOf(site: Pick<Site, 'world' | 'keyring' | 'bus'>, database: Database<Schema>): Desk {
  const { world, keyring, bus } = site
  const managers = bus.client(managerTopic)
  const auditors = bus.client(auditTopic)
  const readers = bus.client(changesTopic)
  // A wake-up that is lost costs a poll interval, never the work.
  const tell = (what: string, sending: Promise<void>): void => {
    sending.catch((error: unknown) => world.log.debug('a wake-up was not sent', { what, error }))
  }
  return {
    database,
    world,
    keyring,
    wakeManagers: () => tell('managers', managers.wake({})),
    wakeAuditors: (subcloudIds) => tell('auditors', auditors.trigger({ audits: [], subcloudIds })),
    wakeReaders: () => tell('readers', readers.changed({})),
  }
}
