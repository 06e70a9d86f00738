import { defineErrors } from '@murmuration/http'

/** Every refusal of the platform API and of the agent. */
export const errors = defineErrors({
  notFound: { status: 404, message: '{what} {ref} was not found.', hint: 'List what there is, and give a uuid of that list.' },
  taken: { status: 409, message: '{what} {ref} exists already.', hint: 'Give another name, or change the one that exists.' },
  unknownField: { status: 400, message: '{field} can not be changed. These can: {allowed}.' },
  badValue: { status: 400, message: '{field} was refused: {why}. {remedy}' },
  hostUnlocked: { status: 409, message: 'Host {ref} is unlocked.', hint: 'Lock it first (administrative: locked).' },
  releaseTransition: {
    status: 409,
    message: 'Release {ref} can not go from {from} to {to}; from {from} it can go to: {allowed}.',
  },
  releaseInUse: { status: 409, message: 'Release {ref} is {state}.', hint: 'Only available and unavailable releases can be deleted.' },
  lastRelease: { status: 409, message: 'Release {ref} is the only deployed one.', hint: 'Deploy another release first.' },
  noUpgrade: { status: 404, message: 'No Kubernetes upgrade is in progress.', hint: 'Start one with POST /v1/kube_upgrade.' },
  upgradeRunning: {
    status: 409,
    message: 'A Kubernetes upgrade is in progress already.',
    hint: 'Complete it, or delete it with DELETE /v1/kube_upgrade.',
  },
  upgradeTransition: {
    status: 409,
    message: 'The Kubernetes upgrade can not go from {from} to {to}; from {from} it can go to: {allowed}.',
  },
  versionUnavailable: {
    status: 400,
    message: 'Kubernetes {ref} can not be upgraded to.',
    hint: 'Give a version of GET /v1/kube_versions whose state is available.',
  },
  certificateRefused: { status: 400, message: 'The certificate was refused: {why}. {remedy}' },
  siteCertificate: {
    status: 409,
    message: 'Certificate {ref} belongs to the configuration of the site.',
    hint: 'Replace the file that the configuration names; it is read again at once.',
  },
  imageApplied: { status: 409, message: 'Device image {ref} is applied.', hint: 'Remove it first (PATCH with action=remove).' },
  staleOwner: {
    status: 409,
    message: 'This site is managed by {name} ({owner}) under epoch {epoch}: {why}.',
    hint: 'Ask that system controller, or migrate the subcloud to yours.',
  },
  alarmFilter: {
    status: 400,
    message: 'Which alarm to clear is not clear.',
    hint: 'Give both alarm_id and entity_instance_id, or DELETE /v1/alarms/<uuid>.',
  },
})
