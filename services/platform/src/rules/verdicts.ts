import { compareVersions, isDeployed, latestOf, majorOf } from './releases.ts'

/** What the audits look at: a picture of the site at one moment. */
export interface SiteFacts {
  readonly serviceGroups: readonly { readonly name: string; readonly state: string }[]
  readonly alarmCounts: AlarmCounts
  readonly certificateAlarms: readonly { readonly alarmId: string; readonly entityInstanceId: string }[]
  readonly kubernetes: { readonly activeVersion: string | undefined; readonly upgradeExists: boolean }
  readonly releases: readonly { readonly releaseId: string; readonly softwareVersion: string; readonly state: string }[]
  readonly devices: readonly Device[]
  readonly images: readonly DeviceImage[]
  readonly imageStates: readonly { readonly deviceUuid: string; readonly imageUuid: string; readonly status: string }[]
}

export interface AlarmCounts {
  readonly critical: number
  readonly major: number
  readonly minor: number
  readonly warning: number
}

export interface Device {
  readonly uuid: string
  readonly vendor: string
  readonly device: string
  readonly enabled: boolean
  readonly labels: Readonly<Record<string, string>>
}

/** What makes an image the same one on two sites; its uuid differs. */
export interface DeviceImage {
  readonly uuid: string
  readonly bitstream_type: string
  readonly pci_vendor: string
  readonly pci_device: string
  readonly bitstream_id: string | null
  readonly key_signature: string | null
  readonly revoke_key_id: number | null
}

/** An image that the system controller has applied, as it describes it. */
export interface AppliedImage extends Partial<Omit<DeviceImage, 'uuid'>> {
  readonly applied_labels?: Readonly<Record<string, string>>
}

export type Verdict = 'in-sync' | 'out-of-sync'
const verdict = (good: boolean): Verdict => (good ? 'in-sync' : 'out-of-sync')

/** Online when every service group is active somewhere (reference dcmanager §8.3). A site without any is not up yet. */
export function availabilityOf(groups: SiteFacts['serviceGroups']): { availability: 'online' | 'offline'; inactive: string[] } {
  const names = [...new Set(groups.map((group) => group.name))].sort()
  const active = new Set(groups.filter((group) => group.state === 'active').map((group) => group.name))
  const inactive = names.filter((name) => !active.has(name))
  return { availability: names.length > 0 && inactive.length === 0 ? 'online' : 'offline', inactive }
}

/** FM's word for the whole: warnings alone leave it OK. */
export const cloudStatusOf = (counts: AlarmCounts): 'OK' | 'degraded' | 'critical' =>
  counts.critical > 0 ? 'critical' : counts.major + counts.minor > 0 ? 'degraded' : 'OK'

/** Out of sync when an upgrade exists or another version is active. */
export const kubernetesVerdict = ({ kubernetes }: SiteFacts, wanted: string): Verdict =>
  verdict(!kubernetes.upgradeExists && kubernetes.activeVersion === wanted)

/** Certificate expires soon, certificate has expired. */
export const certificateAlarmIds: readonly string[] = ['500.200', '500.210']

export const kubeRootcaVerdict = ({ certificateAlarms }: SiteFacts): Verdict =>
  verdict(
    !certificateAlarms.some(
      (alarm) => certificateAlarmIds.includes(alarm.alarmId) && alarm.entityInstanceId.includes('kubernetes-root-ca'),
    ),
  )

/** Compares only the latest release of both: what lies below it was deployed on the way there. */
export function softwareVerdict(
  { releases }: SiteFacts,
  wanted: { readonly deployed_release_ids: readonly string[] },
): { sync_status: Verdict; software_version: string } {
  const deployed = releases
    .filter((release) => isDeployed(release.state))
    .sort((a, b) => compareVersions(b.softwareVersion, a.softwareVersion))
  const [latest] = deployed
  return {
    sync_status: verdict(latest !== undefined && latest.releaseId === latestOf(wanted.deployed_release_ids)),
    software_version: latest === undefined ? '' : majorOf(latest.softwareVersion),
  }
}

/**
 * Out of sync when an image that the controller has applied is missing here, or not completed on an enabled device that it
 * is meant for. An image without a matching enabled device concerns nobody here.
 */
export function firmwareVerdict(facts: SiteFacts, applied: readonly AppliedImage[]): Verdict {
  const done = new Set(
    facts.imageStates.filter((state) => state.status === 'completed').map((state) => `${state.deviceUuid} ${state.imageUuid}`),
  )
  return verdict(
    applied.every((wanted) => {
      const devices = facts.devices.filter((device) => isFor(wanted, device))
      if (devices.length === 0) return true
      const here = facts.images.filter((image) => isSame(wanted, image))
      return devices.every((device) => here.some((image) => done.has(`${device.uuid} ${image.uuid}`)))
    }),
  )
}

/** Labels narrow an image down to some devices: any of them suffices; none means all devices. */
function isFor(image: AppliedImage, device: Device): boolean {
  if (!device.enabled || device.vendor !== image.pci_vendor || device.device !== image.pci_device) return false
  const labels = Object.entries(image.applied_labels ?? {})
  return labels.length === 0 || labels.some(([name, value]) => device.labels[name] === value)
}

const isSame = (wanted: AppliedImage, image: DeviceImage): boolean =>
  wanted.bitstream_type === image.bitstream_type &&
  wanted.pci_vendor === image.pci_vendor &&
  wanted.pci_device === image.pci_device &&
  (wanted.bitstream_id ?? null) === image.bitstream_id &&
  (wanted.key_signature ?? null) === image.key_signature &&
  (wanted.revoke_key_id ?? null) === image.revoke_key_id
