import type { TlsIdentity, World } from '@murmuration/world'
import { readAnswer, SiteAnswerRefused, type Answer } from './answer.ts'
import { requestAuthorised } from './authorised.ts'
import { startDeadline } from './deadline.ts'
import type { KeystoneSession } from './keystone-session.ts'

/** The platform API of one site (sysinv's names): what dcmanager needs to know of its own controller and of subclouds. */
export interface PlatformClient {
  system(): Promise<{ uuid: string; name: string; regionName: string; softwareVersion: string; systemMode: string }>
  oamFloatingIp(): Promise<string>
  managementNetwork(): Promise<{ subnet: string; start: string; end: string; gateway: string; floating: string }>
  /** USM's deployed releases: id, version, state. */
  releases(): Promise<{ releaseId: string; softwareVersion: string; state: string }[]>
  kubernetesVersion(): Promise<string>
  /** What makes each applied image the same one elsewhere: the reference data of the firmware audit. */
  appliedDeviceImages(): Promise<unknown[]>
  /** FM: active alarms with their ids and entities. */
  alarms(): Promise<
    {
      alarmId: string
      entityInstanceId: string
      severity: string
      reasonText: string
      /** False where the site does not say. */
      managementAffecting: boolean
    }[]
  >
}

export interface PlatformClientOptions {
  /** Origin of the platform API, with or without /v1. */
  readonly baseUrl: string
  readonly session: KeystoneSession
  readonly tls?: () => Promise<TlsIdentity>
  /** For one question, authentication included. Default 15,000. */
  readonly deadlineMs?: number
}

const maxAnswerBytes = 4 * 1024 * 1024
const maxEntries = 10_000

/** Every method rejects with NetworkError, AuthenticationFailed or SiteAnswerRefused. */
export function createPlatformClient(world: World, options: PlatformClientOptions): PlatformClient {
  const base = options.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '')
  const site = `platform at ${base}`
  const get = async (path: string): Promise<Answer> => {
    const deadline = startDeadline(world, options.deadlineMs ?? 15_000, site)
    const tls = options.tls === undefined ? undefined : await deadline.wait(options.tls())
    const response = await requestAuthorised(world, options.session, deadline, {
      method: 'GET',
      url: `${base}/v1/${path}`,
      maxResponseBytes: maxAnswerBytes,
      ...(tls === undefined ? {} : { tls }),
    })
    return readAnswer(site, response, [200])
  }
  /** The entries of `{"<name>": [...]}`. */
  const entries = async (path: string, name: string): Promise<((member: string) => Answer)[]> =>
    (await get(path))
      .object()(name)
      .list(maxEntries)
      .map((entry) => entry.object())
  const only = <T>(found: readonly T[], what: string): T => {
    const [first] = found
    if (first === undefined) throw new SiteAnswerRefused(site, `it lists no ${what}`, 200)
    return first
  }

  return {
    async system() {
      const system = only(await entries('isystems', 'isystems'), 'system')
      return {
        uuid: system('uuid').text(36, /^[0-9a-f-]{36}$/i),
        name: system('name').text(255),
        regionName: system('region_name').text(255),
        softwareVersion: system('software_version').text(32),
        systemMode: system('system_mode').text(32),
      }
    },
    async oamFloatingIp() {
      return only(await entries('iextoam', 'iextoams'), 'OAM network')('oam_floating_ip').text(64, address)
    },
    async managementNetwork() {
      const pools = await entries('addrpools', 'addrpools')
      const pool = only(
        pools.filter((candidate) => candidate('name').text(255) === 'management'),
        'management pool',
      )
      const range = only(pool('ranges').list(16), 'range of the management pool').list(2)
      const [start, end] = range
      if (start === undefined || end === undefined) throw new SiteAnswerRefused(site, 'a range has no end', 200)
      return {
        subnet: `${pool('network').text(64, address)}/${pool('prefix').integer(1, 128)}`,
        start: start.text(64, address),
        end: end.text(64, address),
        gateway: pool('gateway_address').text(64, address),
        floating: pool('floating_address').text(64, address),
      }
    },
    async releases() {
      return (await get('release')).list(maxEntries).map((entry) => {
        const release = entry.object()
        return {
          releaseId: release('release_id').text(255),
          softwareVersion: release('sw_version').text(64),
          state: release('state').text(64),
        }
      })
    },
    async kubernetesVersion() {
      const versions = await entries('kube_versions', 'kube_versions')
      const active = versions.filter((version) => version('state').text(64) === 'active')
      return only(active, 'active Kubernetes version')('version').text(64)
    },
    async appliedDeviceImages() {
      const images = await entries('device_images', 'device_images')
      const applied = images.filter((image) => image('applied').boolean())
      const optional = (image: (member: string) => Answer, name: string): Record<string, string> =>
        image(name).missing ? {} : { [name]: image(name).text(255) }
      return applied.map((image) => ({
        bitstream_type: image('bitstream_type').text(64),
        pci_vendor: image('pci_vendor').text(64),
        pci_device: image('pci_device').text(64),
        ...optional(image, 'bitstream_id'),
        ...optional(image, 'key_signature'),
        ...(image('revoke_key_id').missing ? {} : { revoke_key_id: image('revoke_key_id').integer(0, 2_147_483_647) }),
        applied_labels: image('applied_labels').missing ? {} : image('applied_labels').map(64),
      }))
    },
    async alarms() {
      const found = []
      let path: string | undefined = `alarms?limit=${alarmsPerPage}`
      while (path !== undefined) {
        const answer: (member: string) => Answer = (await get(path)).object()
        for (const listed of answer('alarms').list(maxEntries)) {
          const alarm = listed.object()
          found.push({
            alarmId: alarm('alarm_id').text(32),
            entityInstanceId: alarm('entity_instance_id').text(1_024),
            severity: alarm('severity').oneOf('critical', 'major', 'minor', 'warning', 'not-applicable'),
            reasonText: alarm('reason_text').text(4_096),
            managementAffecting: alarm('mgmt_affecting').missing ? false : alarm('mgmt_affecting').boolean(),
          })
        }
        if (found.length > maxAlarms) throw new SiteAnswerRefused(site, `it lists more than ${maxAlarms} alarms`, 200)
        path = answer('next').missing ? undefined : nextAlarms(answer('next').text(4_096))
      }
      return found
    },
  }
}

/** Of the other side's link only the marker is used: where to ask is not theirs to say. */
function nextAlarms(link: string): string | undefined {
  const marker = new URLSearchParams(link.slice(link.indexOf('?') + 1)).get('marker')
  return marker === null ? undefined : `alarms?${new URLSearchParams({ limit: String(alarmsPerPage), marker }).toString()}`
}

const alarmsPerPage = 1_000
const maxAlarms = 100_000
const address = /^[0-9a-fA-F:.]{2,45}$/
