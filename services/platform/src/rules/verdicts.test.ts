import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerAudit } from './audit.ts'
import {
  availabilityOf,
  cloudStatusOf,
  firmwareVerdict,
  kubernetesVerdict,
  kubeRootcaVerdict,
  softwareVerdict,
  type SiteFacts,
} from './verdicts.ts'

const facts: SiteFacts = {
  serviceGroups: [{ name: 'controller-services', state: 'active' }],
  alarmCounts: { critical: 0, major: 0, minor: 0, warning: 0 },
  certificateAlarms: [],
  kubernetes: { activeVersion: 'v1.29.2', upgradeExists: false },
  releases: [{ releaseId: 'starlingx-26.09.0', softwareVersion: '26.09.0', state: 'deployed' }],
  devices: [],
  images: [],
  imageStates: [],
}

for (const [what, groups, availability, inactive] of [
  ['every group is active somewhere', ['a:active', 'a:standby', 'b:active'], 'online', []],
  ['one group only stands by', ['a:standby', 'b:active'], 'offline', ['a']],
  ['a group is disabled', ['a:active', 'b:disabled', 'b:disabled'], 'offline', ['b']],
  ['there is no group yet', [], 'offline', []],
] as const) {
  test(`availability: ${what} → ${availability}`, () => {
    const listed = groups.map((group) => ({ name: group.split(':')[0]!, state: group.split(':')[1]! }))
    assert.deepEqual(availabilityOf(listed), { availability, inactive })
  })
}

for (const [critical, major, minor, warning, status] of [
  [0, 0, 0, 0, 'OK'],
  [0, 0, 0, 9, 'OK'],
  [0, 0, 1, 0, 'degraded'],
  [0, 2, 0, 0, 'degraded'],
  [1, 2, 0, 0, 'critical'],
] as const) {
  test(`cloud status of ${critical}/${major}/${minor}/${warning} is ${status}`, () =>
    assert.equal(cloudStatusOf({ critical, major, minor, warning }), status))
}

for (const [what, activeVersion, upgradeExists, verdict] of [
  ['the same version', 'v1.29.2', false, 'in-sync'],
  ['an upgrade exists', 'v1.29.2', true, 'out-of-sync'],
  ['another version', 'v1.28.4', false, 'out-of-sync'],
  ['none is active', undefined, false, 'out-of-sync'],
] as const) {
  test(`kubernetes: ${what} → ${verdict}`, () =>
    assert.equal(kubernetesVerdict({ ...facts, kubernetes: { activeVersion, upgradeExists } }, 'v1.29.2'), verdict))
}

for (const [alarmId, entityInstanceId, verdict] of [
  ['500.210', 'system.certificate.kubernetes-root-ca', 'out-of-sync'],
  ['500.200', 'system.certificate.kubernetes-root-ca', 'out-of-sync'],
  ['500.210', 'system.certificate.mode=ssl', 'in-sync'],
  ['260.002', 'kubernetes-root-ca', 'in-sync'],
] as const) {
  test(`kube-rootca: ${alarmId} of ${entityInstanceId} → ${verdict}`, () =>
    assert.equal(kubeRootcaVerdict({ ...facts, certificateAlarms: [{ alarmId, entityInstanceId }] }), verdict))
}

for (const [here, wanted, sync_status, software_version] of [
  [['26.09.0'], ['26.09.0'], 'in-sync', '26.09'],
  [['26.09.0', '26.09.1'], ['26.09.1'], 'in-sync', '26.09'],
  [['26.09.9', '26.09.10'], ['26.09.10', '26.09.9'], 'in-sync', '26.09'],
  [['26.09.0'], ['26.09.0', '26.09.1'], 'out-of-sync', '26.09'],
  [['26.03.4'], ['26.09.0'], 'out-of-sync', '26.03'],
  [['26.09.0'], [], 'out-of-sync', '26.09'],
  [[], ['26.09.0'], 'out-of-sync', ''],
] as const) {
  test(`software: ${here.join('+') || 'nothing'} against ${wanted.join('+') || 'nothing'} → ${sync_status}`, () => {
    const releases = here.map((version: string) => ({ releaseId: `starlingx-${version}`, softwareVersion: version, state: 'deployed' }))
    releases.push({ releaseId: 'starlingx-99.01.0', softwareVersion: '99.01.0', state: 'available' })
    assert.deepEqual(softwareVerdict({ ...facts, releases }, { deployed_release_ids: wanted.map((version) => `starlingx-${version}`) }), {
      sync_status,
      software_version,
    })
  })
}

const image = {
  bitstream_type: 'functional',
  pci_vendor: '8086',
  pci_device: '0b30',
  bitstream_id: '0x1',
  key_signature: null,
  revoke_key_id: null,
}
const device = { uuid: 'd1', vendor: '8086', device: '0b30', enabled: true, labels: { rack: 'r1' } }
const written = { deviceUuid: 'd1', imageUuid: 'i1', status: 'completed' }
const here = { ...facts, devices: [device], images: [{ uuid: 'i1', ...image }], imageStates: [written] }

for (const [what, site, wanted, verdict] of [
  ['completed on the device', here, [image], 'in-sync'],
  ['nothing applied by the controller', { ...facts, devices: [device] }, [], 'in-sync'],
  ['no such device here', { ...here, devices: [] }, [image], 'in-sync'],
  ['the device is disabled', { ...here, devices: [{ ...device, enabled: false }], imageStates: [] }, [image], 'in-sync'],
  ['the image is missing', { ...here, images: [] }, [image], 'out-of-sync'],
  ['the image is another one', here, [{ ...image, bitstream_id: '0x2' }], 'out-of-sync'],
  ['still in progress', { ...here, imageStates: [{ ...written, status: 'in-progress' }] }, [image], 'out-of-sync'],
  ['failed', { ...here, imageStates: [{ ...written, status: 'failed' }] }, [image], 'out-of-sync'],
  ['one of two devices lacks it', { ...here, devices: [device, { ...device, uuid: 'd2' }] }, [image], 'out-of-sync'],
  ['for other labels', { ...here, imageStates: [] }, [{ ...image, applied_labels: { rack: 'r9' } }], 'in-sync'],
  ['for these labels', { ...here, imageStates: [] }, [{ ...image, applied_labels: { rack: 'r1', row: '2' } }], 'out-of-sync'],
] as const) {
  test(`firmware: ${what} → ${verdict}`, () => assert.equal(firmwareVerdict(site, wanted), verdict))
}

test('an audit answers what was asked for and nothing else', () => {
  assert.deepEqual(Object.keys(answerAudit(facts, { base_audit: '', kubernetes_audit: 'v1.29.2', use_cache: false })), [
    'base_audit',
    'kubernetes_audit',
  ])
  assert.deepEqual(answerAudit({ ...facts, alarmCounts: { critical: 0, major: 1, minor: 0, warning: 0 } }, { base_audit: '' }), {
    base_audit: {
      availability: 'online',
      inactive_sg: [],
      alarms: { critical_alarms: 0, major_alarms: 1, minor_alarms: 0, warnings: 0, cloud_status: 'degraded' },
    },
  })
})
