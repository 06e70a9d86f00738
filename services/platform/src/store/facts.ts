import { json, type Database } from '@murmuration/data'
import type { SiteFacts } from '../rules/verdicts.ts'
import { certificateAlarms, countAlarms } from './alarms.ts'
import { listDevices, listImages, listImageStates } from './devices.ts'
import { listServiceGroups } from './hosts.ts'
import { findKubeUpgrade, listKubeVersions } from './kubernetes.ts'
import { listReleases } from './releases.ts'
import type { Schema } from './schema.ts'

/** The picture that the audits look at: a fixed number of statements, in one transaction so that its parts fit together. */
export const readFacts = (database: Database<Schema>): Promise<SiteFacts> =>
  database.transaction(async (tx) => {
    const versions = await listKubeVersions(tx)
    return {
      serviceGroups: await listServiceGroups(tx),
      alarmCounts: await countAlarms(tx),
      certificateAlarms: (await certificateAlarms(tx)).map((alarm) => ({
        alarmId: alarm.alarm_id,
        entityInstanceId: alarm.entity_instance_id,
      })),
      kubernetes: {
        activeVersion: versions.find((version) => version.state === 'active')?.version,
        upgradeExists: (await findKubeUpgrade(tx)) !== undefined,
      },
      releases: (await listReleases(tx)).map((release) => ({
        releaseId: release.release_id,
        softwareVersion: release.sw_version,
        state: release.state,
      })),
      devices: (await listDevices(tx)).map((device) => ({
        uuid: device.uuid,
        vendor: device.pvendor_id,
        device: device.pdevice_id,
        enabled: device.enabled === 1,
        labels: json.read(device.labels),
      })),
      images: await listImages(tx),
      imageStates: (await listImageStates(tx)).map((state) => ({
        deviceUuid: state.device_uuid,
        imageUuid: state.image_uuid,
        status: state.status,
      })),
    }
  })
