import { createKeystoneSession, createPlatformClient, type PlatformClient } from '@murmuration/clients'
import type { Site } from '@murmuration/site'
import { Secret } from '@murmuration/trust'
import type { TlsIdentity } from '@murmuration/world'

/** What only the subcloud itself can say (reference dcmanager §1.7 GET detail). */
export interface LiveDetail {
  /** `unavailable` when it could not be asked. */
  readonly oamFloatingIp: string
  readonly deployConfigSyncStatus: string
}

export const unknownDetail: LiveDetail = { oamFloatingIp: 'unavailable', deployConfigSyncStatus: 'unknown' }

/** The alarm that the deployment manager raises while hosts differ from the deploy config. */
const configAlarm = { id: '260.002', entity: 'host.starlingx.windriver.com' }
/** Together with the caller's patience: an unreachable site must not hold the reply. */
const deadlineMs = 5_000

/**
 * Asks one online subcloud, as the site's service account. A site that does not answer makes the value unknown, not the
 * request a failure: the original answers 500 there.
 */
export async function readLiveDetail(site: Site, subcloud: { readonly management_start_ip: string }): Promise<LiveDetail> {
  let platform: PlatformClient
  try {
    platform = await platformOf(site, subcloud.management_start_ip)
  } catch (error) {
    site.world.log.info('a subcloud could not be asked for its detail', { error })
    return unknownDetail
  }
  const [oam, alarms] = await Promise.allSettled([platform.oamFloatingIp(), platform.alarms()])
  return {
    oamFloatingIp: oam.status === 'fulfilled' ? oam.value : unknownDetail.oamFloatingIp,
    deployConfigSyncStatus: alarms.status === 'fulfilled' ? configStatusOf(alarms.value) : unknownDetail.deployConfigSyncStatus,
  }
}

export const configStatusOf = (alarms: readonly { readonly alarmId: string; readonly entityInstanceId: string }[]): string =>
  alarms.some((alarm) => alarm.alarmId === configAlarm.id && alarm.entityInstanceId.includes(configAlarm.entity))
    ? 'Deployment: configurations out-of-date'
    : 'Deployment: configurations up-to-date'

/** The platform service of a subcloud, asked as the site's service account over mutual TLS. */
export async function platformOf(site: Site, managementIp: string, questionMs = deadlineMs): Promise<PlatformClient> {
  const { world, config } = site
  const host = managementIp.includes(':') ? `[${managementIp}]` : managementIp
  const tls = async (): Promise<TlsIdentity> => {
    const [ca, cert, key] = await Promise.all(
      [config.tls.caFile, config.tls.certFile, config.tls.keyFile].map((file) => readText(site, file)),
    )
    return { ca: ca!, cert: cert!, key: key! }
  }
  const session = createKeystoneSession(world, {
    authUrl: `https://${host}:${config.ports.identityTls}/v3`,
    userName: config.identity.serviceUser,
    userDomainName: 'Default',
    password: new Secret((await readText(site, config.identity.servicePasswordFile)).trim()),
    projectName: 'services',
    projectDomainName: 'Default',
    tls: await tls(),
  })
  return createPlatformClient(world, { baseUrl: `https://${host}:${config.ports.platformTls}`, session, tls, deadlineMs: questionMs })
}

async function readText(site: Site, file: string): Promise<string> {
  const data = await site.world.files.read(file)
  if (data === undefined) throw new Error(`${file} is not there`)
  return new TextDecoder().decode(data)
}
