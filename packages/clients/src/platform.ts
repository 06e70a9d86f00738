import type { World } from '@murmuration/world'
import type { KeystoneSession } from './keystone-session.ts'

/** The platform API of one site (sysinv's names): what dcmanager needs to know of its own controller and of subclouds. */
export interface PlatformClient {
  system(): Promise<{ uuid: string; name: string; regionName: string; softwareVersion: string; systemMode: string }>
  oamFloatingIp(): Promise<string>
  managementNetwork(): Promise<{ subnet: string; start: string; end: string; gateway: string; floating: string }>
  /** USM's deployed releases: id, version, state. */
  releases(): Promise<{ releaseId: string; softwareVersion: string; state: string }[]>
  kubernetesVersion(): Promise<string>
  appliedDeviceImages(): Promise<unknown[]>
  /** FM: active alarms with their ids and entities. */
  alarms(): Promise<{ alarmId: string; entityInstanceId: string; severity: string; reasonText: string }[]>
}

export declare function createPlatformClient(
  world: World,
  options: {
    baseUrl: string
    session: KeystoneSession
    tls?: () => Promise<import('@murmuration/world').TlsIdentity>
    deadlineMs?: number
  },
): PlatformClient
