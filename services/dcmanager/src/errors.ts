import { ApiError, defineErrors } from '@murmuration/http'
import { shown } from './rules/addresses.ts'
import type { Problem } from './rules/problems.ts'

/**
 * Every error this service answers of itself (reference dcmanager §1.2, §1.17). Texts that clients match on stand first in their
 * message. Refusals of values files are made by `invalid` below, those of tokens and policy by the http package.
 */
export const errors = defineErrors({
  // --- not there ---
  subcloudNotFound: { status: 404, message: 'Subcloud not found' },
  groupNotFound: { status: 404, message: 'Subcloud Group not found' },
  systemPeerNotFound: { status: 404, message: 'System Peer not found', hint: 'List them with GET /v1.0/system-peers.' },
  peerGroupNotFound: { status: 404, message: 'Subcloud Peer Group not found', hint: 'List them with GET /v1.0/subcloud-peer-groups.' },
  associationNotFound: {
    status: 404,
    message: 'Peer Group Association not found',
    hint: 'List them with GET /v1.0/peer-group-associations.',
  },
  releaseFolderMissing: {
    status: 404,
    message: 'There are no deployment files for release {release}',
    hint: 'Upload them with POST /v1.0/subcloud-deploy.',
  },
  operationNotFound: { status: 404, message: 'Operation not found', hint: 'List them with GET /v1.0/subclouds/{id}/operations.' },
  verbGone: { status: 410, message: 'The operation {verb} was removed', hint: 'Use {instead}.' },

  // --- what was sent ---
  bodyEmpty: { status: 400, message: 'Body required', hint: 'Send a multipart form or a JSON object.' },
  nothingToUpdate: { status: 400, message: 'nothing to update', hint: 'Name at least one member to change.' },
  unknownVerb: { status: 400, message: 'Invalid request: the operation "{verb}" does not exist', hint: 'Operations are {known}.' },
  verbUnavailable: {
    status: 400,
    message: 'The operation "{verb}" is not available in this version',
    hint: 'See the release notes for the version that brings it.',
  },
  refMissing: { status: 400, message: 'Subcloud reference required', hint: 'Name the subcloud in the path or as subcloud_ref.' },
  fileMissing: { status: 400, message: '{file} is required', hint: 'Send it as a form file of that name.' },
  filesMissing: { status: 400, message: 'Missing required file(s) for {purpose}: {files}', hint: '{remedy}' },
  passwordMissing: { status: 400, message: '{field} is required', hint: 'Send it base64-encoded.' },
  passwordNotBase64: {
    status: 400,
    message: 'Failed to decode {field}: it is not base64 of a text',
    hint: 'Encode the password, for example with base64 -w0.',
  },
  releaseInvalid: { status: 400, message: 'Invalid release "{release}": it must be {wanted}' },
  groupInvalid: { status: 400, message: 'Invalid group_id {group}', hint: 'List the groups with GET /v1.0/subcloud-groups.' },
  bootstrapAddressMissing: {
    status: 400,
    message: 'bootstrap-address is required',
    hint: 'Give the address under which the subcloud is reached while it is deployed, here or in the install values.',
  },
  installValuesMissing: {
    status: 400,
    message: 'install_values are required: none were sent and none are stored',
    hint: 'Send them as a form file.',
  },
  bootstrapValuesMissing: {
    status: 400,
    message: 'bootstrap_values are required: none were sent and none are stored',
    hint: 'Send them as a form file.',
  },
  deployConfigMissing: {
    status: 400,
    message: 'deploy_config is required: none was sent and none is stored',
    hint: 'Send it as a form file, or use complete.',
  },
  nameDiffers: {
    status: 400,
    message: 'The name "{given}" in the bootstrap values is not the name of the subcloud, "{name}"',
    hint: 'Rename with PATCH name.',
  },
  phaseDone: {
    status: 400,
    message: '{file} was given, but the phase that reads it is not to be executed from deploy status {status}',
    hint: 'Leave it out.',
  },
  queryInvalid: { status: 400, message: 'Invalid query: {field} {problem}', hint: '{remedy}' },
  idempotencyKeyInvalid: { status: 400, message: 'Idempotency-Key must be 1 to 255 printable characters' },
  updateStatusInvalid: { status: 400, message: 'Invalid {field} value: {value}', hint: 'Allowed: {allowed}.' },

  cursorInvalid: {
    status: 400,
    message: 'The cursor is not one that this stream gave',
    hint: 'Send the id of an event as Last-Event-ID or after, or begin without one.',
  },
  cursorExpired: {
    status: 410,
    message: 'Changes behind this cursor have been forgotten',
    hint: 'Begin without a cursor, then list the subclouds again with GET /v1.0/subclouds.',
  },
  tooManyReaders: {
    status: 503,
    message: 'There are {most} readers of the change stream on this server already',
    hint: 'Try again later, or ask another server.',
  },

  // --- conflicts with what is ---
  nameTaken: {
    status: 409,
    message: 'Subcloud with that name already exists: {name}',
    hint: 'Choose another name, or delete the other subcloud.',
  },
  subjectBusy: {
    status: 409,
    message: 'Another operation is in progress for this subcloud: {operation}',
    hint: 'Wait for its end (GET /v1.0/subclouds/{id}/operations), or abort it.',
  },
  transient: {
    status: 409,
    message: 'The subcloud is in a transitional state: {what}',
    hint: 'Wait until the operation in progress has ended.',
  },
  conflictingChange: {
    status: 409,
    message: 'The subcloud was changed by somebody else meanwhile',
    hint: 'Read it again and repeat the request.',
  },
  idempotencyMismatch: {
    status: 422,
    message: 'This Idempotency-Key was used for a different request',
    hint: 'Use a new key for a new request.',
  },
  networkOverlap: {
    status: 400,
    message: 'Invalid {field}: the address range overlaps that of subcloud {other}',
    hint: 'Choose addresses that no other subcloud uses.',
  },
  oamOverlap: {
    status: 400,
    message: 'Invalid {field}: the OAM subnet lies inside the management subnet of subcloud {other}',
    hint: 'Choose another subnet.',
  },
  softwareBusy: {
    status: 400,
    message: 'A software deployment is in progress on the system controller: release {release} is {state}',
    hint: 'Repeat the request when it has ended.',
  },
  /** The same, where the original's manager says it and not its API. */
  softwareBusyLate: {
    status: 422,
    message: 'A software deployment is in progress on the system controller: release {release} is {state}',
    hint: 'Repeat the request when it has ended.',
  },
  /** As the original: what can not be asked counts as busy. */
  softwareUnknown: {
    status: 400,
    message: 'The software releases of the system controller could not be read',
    hint: 'Check that its platform service runs, then repeat the request.',
  },
  controllerUnknown: {
    status: 503,
    message: 'The {what} of the system controller could not be read',
    hint: 'Check that its platform service runs, then repeat the request.',
  },

  // --- rules of the life of a subcloud ---
  wrongState: { status: 400, message: 'Subcloud deploy status must be {wanted} to {verb}; it is {status}' },
  notInitialDeployment: {
    status: 400,
    message: '{verb} is only possible during the initial deployment',
    hint: 'Use redeploy for a subcloud that was deployed before.',
  },
  notRunning: {
    status: 409,
    message: 'There is nothing to abort any more: the operation has just ended',
    hint: 'Read the subcloud again.',
  },
  secondary: { status: 409, message: 'Cannot perform the operation on a secondary subcloud' },
  redeployGivenUp: {
    status: 409,
    message: 'Cannot redeploy a subcloud that was given up for another system controller',
    hint: 'Manage it to take it back, or redeploy it at the site that takes it over.',
  },
  deleteManaged: { status: 400, message: 'Cannot delete a subcloud that is managed', hint: 'Unmanage it first.' },
  /** The same for a peer, which the original's API lets pass and its manager does not. */
  deleteManagedLate: { status: 422, message: 'Cannot delete a subcloud that is managed', hint: 'Unmanage it first.' },
  deleteOnline: {
    status: 422,
    message: 'Cannot delete a subcloud that is online',
    hint: 'Shut it down or cut it off; it is offline after the next failed audits.',
  },
  deleteForbidden: {
    status: 400,
    message: 'Cannot delete a subcloud while its deploy status is {status}',
    hint: 'Wait for the end of the operation, or abort it.',
  },
  redeployOnline: {
    status: 400,
    message: 'Cannot re-deploy an online and/or managed subcloud',
    hint: 'Unmanage it and shut it down first.',
  },
  redeployEnrolled: { status: 400, message: 'Cannot re-deploy a subcloud that was enrolled with a reconfiguration at its site' },
  bmcUnreachable: {
    status: 422,
    message: 'The BMC at {address} does not answer as a Redfish service: {why}',
    hint: 'Check bmc_address and the route to it.',
  },
  alreadyManaged: { status: 422, message: 'Subcloud is already managed' },
  alreadyUnmanaged: { status: 422, message: 'Subcloud is already unmanaged' },
  manageNotDeployed: {
    status: 422,
    message: 'Subcloud can be managed only if deploy status is complete; it is {status}',
    hint: 'Finish the deployment, or use force.',
  },
  manageOffline: { status: 422, message: 'Subcloud is not online', hint: 'Wait until it is reached, or use force.' },
  renameState: {
    status: 400,
    message: 'Subcloud must be unmanaged and its deploy status complete to be renamed; it is {management} and {status}',
  },
  renameSame: { status: 400, message: 'The new name equals the current one' },
  renameTaken: { status: 422, message: 'The name {name} is already the name or the region name of a subcloud' },
  reconfigureSet: { status: 422, message: 'A network reconfiguration needs all of {all}; missing: {missing}' },
  reconfigureWithState: { status: 422, message: 'Management state and network reconfiguration must be updated in separate requests' },
  reconfigureManaged: {
    status: 422,
    message: 'A subcloud must be unmanaged for its network to be reconfigured',
    hint: 'Unmanage it first.',
  },
  reconfigureSame: {
    status: 422,
    message: '{field} equals the current value',
    hint: 'Every value of a network reconfiguration must be new.',
  },

  // --- backup and restore (reference §1.10, §6) ---
  unexpectedParameter: { status: 400, message: 'Unexpected parameter received: {name}', hint: 'This operation takes {known}.' },
  backupCombination: { status: 400, message: '{message}', hint: '{hint}' },
  backupSubcloudUnknown: { status: 400, message: 'Subcloud not found: {subcloud}', hint: 'List them with GET /v1.0/subclouds.' },
  backupGroupEmpty: { status: 400, message: 'No subclouds found in group {group}', hint: 'Put subclouds into the group, or name another.' },
  backupIneligible: {
    status: 400,
    message: 'Subcloud {name} is not in a valid state for subcloud-backup {verb}: {reason}',
    hint: '{hint}',
  },
  backupNoneEligible: {
    status: 400,
    message: 'None of the subclouds in group {group} are in a valid state for subcloud-backup {verb}: {reasons}',
    hint: 'Nothing was changed. Look at them with GET /v1.0/subcloud-groups/{group}/subclouds.',
  },
  backupUnhealthy: {
    status: 400,
    message: 'Subcloud {name} must be in good health for subcloud-backup create: {reasons}',
    hint: 'Look at its alarms, mend what they tell, then back it up.',
  },
  /** The original answers 500; that a site does not answer is nobody's defect. */
  backupHealthUnknown: {
    status: 503,
    message: 'The health of subcloud {name} could not be asked for: {reason}',
    hint: 'Repeat the request when the subcloud answers.',
  },
  backupReleaseMissing: {
    status: 400,
    message: 'Release required',
    hint: 'Name it in the path: PATCH /v1.0/subcloud-backup/delete/{release}.',
  },
  backupInstallValuesMissing: {
    status: 400,
    message: 'These subclouds have no install values: {names}',
    hint: 'Update them with install_values first, or restore them without with_install, auto and factory.',
  },
  backupDeleteFailed: { status: 422, message: '{why}', hint: 'See the operations of each of them.' },

  imageMissing: { status: 400, message: '{why}' },
  operationFailed: { status: 422, message: 'Unable to {operation} the subcloud: {why}', hint: 'See GET /v1.0/subclouds/{id}/operations.' },
  memberUnknown: { status: 400, message: 'Invalid request: the operation "{verb}" does not know {members}', hint: 'It takes {known}.' },

  // --- groups ---
  groupNameTaken: { status: 400, message: 'A subcloud group with this name already exists: {name}' },
  groupDefaultName: { status: 400, message: 'The Default group can neither be renamed nor deleted' },
  groupNotEmpty: {
    status: 400,
    message: 'Subcloud Group not empty: {count} subcloud(s) belong to it',
    hint: 'Move them to another group first.',
  },

  // --- geo-redundancy ---
  systemPeerTaken: { status: 409, message: 'A system peer with this uuid or name already exists: {name}' },
  systemPeerSelf: {
    status: 400,
    message: 'Invalid peer_uuid: {uuid} is this system controller itself',
    hint: 'Give the system UUID of the other one.',
  },
  systemPeerAssociated: {
    status: 400,
    message: 'Cannot delete a system peer which is associated with a peer group ({count} association(s))',
    hint: 'Delete its associations first.',
  },
  peerGroupNameTaken: { status: 409, message: 'A peer group with this peer-group-name already exists: {name}' },
  peerGroupNotPrimary: {
    status: 400,
    message: 'Cannot update a peer group from a non-primary site.',
    hint: 'Send the request to the site where the group has priority 0.',
  },
  peerGroupPushFailed: {
    status: 403,
    message: 'Unable to update subcloud peer group {name} on any peer: {why}',
    hint: 'Nothing was changed. Repeat the request when a peer is available.',
  },
  peerGroupAssociated: {
    status: 400,
    message: 'Cannot delete a peer group which is associated with a system peer',
    hint: 'Delete its associations first.',
  },
  unknownGroupVerb: { status: 400, message: 'Invalid request: the operation "{verb}" does not exist', hint: 'Operations are {known}.' },
  peerGroupInvalid: { status: 400, message: 'Invalid peer_group_id {group}', hint: 'List them with GET /v1.0/subcloud-peer-groups.' },
  systemPeerInvalid: { status: 400, message: 'Invalid system_peer_id {peer}', hint: 'List them with GET /v1.0/system-peers.' },
  peersOnly: {
    status: 403,
    message: 'This operation is for system peers',
    hint: 'It needs the account that the record of a system peer names here, and is used by the sync of a peer group association.',
  },
  peerGroupUnknown: {
    status: 400,
    message: 'Invalid peer_group {group}: there is no such peer group',
    hint: 'List them with GET /v1.0/subcloud-peer-groups; none takes the subcloud out of its group.',
  },
  peerGroupNameNone: { status: 400, message: 'Invalid peer-group-name: none is the word for no group' },
  peerGroupPriorityFixed: {
    status: 400,
    message: 'group-priority can not change between 0 and other values while the group has associations',
    hint: 'Delete the associations first.',
  },
  peerGroupMigratingByHand: {
    status: 400,
    message: 'migration_status migrating belongs to a running migration',
    hint: 'Begin one with PATCH /v1.0/subcloud-peer-groups/{group}/migrate.',
  },
  auditMemberMissing: { status: 400, message: 'Missing required member of the audit request: {member}' },
  memberLedElsewhere: {
    status: 400,
    message: 'The subclouds of peer group {group} are managed by {leader}, not by this site',
    hint: 'Migrate the group to this site first.',
  },
  memberNotPrimary: {
    status: 400,
    message: 'Peer group {group} is a standby copy on this site: its subclouds are updated where its priority is 0',
    hint: 'Send the request to the primary site; while that does not lead the group, migrate it there first.',
  },
  memberOwnerReachable: {
    status: 400,
    message: 'A subcloud can leave peer group {group} on this standby site only while the primary site is unavailable',
    hint: 'Remove it from the group on the primary site.',
  },
  memberNotReady: {
    status: 400,
    message: 'Only a subcloud that is complete, managed and online can join a peer group; it is {status}, {management} and {availability}',
  },
  memberWithoutRehomeData: {
    status: 400,
    message: 'The subcloud has no rehome data, which a peer group needs',
    hint: 'Send bootstrap_values and bootstrap_address in the same request.',
  },
  memberManagementState: {
    status: 400,
    message: 'The management state of a subcloud of peer group {group} can not be changed',
    hint: 'Take it out of the group first (peer_group=none), or migrate the group.',
  },
  memberConfigure: {
    status: 400,
    message: 'deploy configure is not allowed for a subcloud of peer group {group}, whose primary site is another one',
    hint: 'Send the request to the site that manages the subcloud; where that is this one since a migration, migrate the group back first.',
  },
  memberDelete: {
    status: 400,
    message: 'Cannot delete a subcloud that is in a subcloud peer group: {group}',
    hint: 'Take it out of the group first (PATCH with peer_group=none).',
  },
  migrationImpossible: { status: 422, message: 'The group can not be migrated: {why}' },
  migrationEmpty: {
    status: 400,
    message: 'There is nothing to migrate: no subcloud of the group is secondary, rehome-failed or rehome-prep-failed',
    hint: 'See PATCH /v1.0/subcloud-peer-groups/{group}/migrate?dry-run=true.',
  },
  migrateState: { status: 400, message: 'Only a subcloud whose deploy status is complete can be migrated; it is {status}' },
  migrateManaged: {
    status: 400,
    message: 'A managed subcloud can not be migrated',
    hint: 'Unmanage it in the same request (management-state unmanaged).',
  },
  rehomeDataIncomplete: {
    status: 422,
    message: 'bootstrap_address needs bootstrap values: none are stored and none were sent',
    hint: 'Send bootstrap_values in the same request.',
  },
  secondaryWith: { status: 400, message: '{member} can not be given together with secondary' },
  migrateWith: {
    status: 400,
    message: '{member} can not be given together with migrate',
    hint: 'A subcloud that is migrated is deployed already.',
  },
  secondaryRegionMissing: { status: 400, message: 'region_name is required with secondary', hint: 'It is the region on the primary site.' },
  siteUnknown: {
    status: 400,
    message: 'The region of the subcloud could not be read from its host {address}: {why}',
    hint: 'bootstrap-address is the host of a subcloud that is deployed, the bootstrap values are its own, and sysadmin_password logs in there.',
  },
  regionTaken: { status: 409, message: 'Subcloud with region name {region} already exists' },
  peerGroupBusy: {
    status: 409,
    message: 'Another operation is in progress for this subcloud peer group: {operation}',
    hint: 'Wait for its end (GET /v1.0/subcloud-peer-groups/{id}/status).',
  },
  associationTaken: {
    status: 400,
    message: 'Peer group association already exists: association {id}',
    hint: 'Use that one (PATCH /v1.0/peer-group-associations/{id}/sync), or name another system_peer_id or peer_group_id.',
  },
  associationPriorityMissing: {
    status: 400,
    message: 'peer_group_priority is required: the group has priority 0 on this site',
    hint: 'Give the priority that the group has on the peer, 1 to 65536.',
  },
  associationPriorityForbidden: {
    status: 400,
    message: 'peer_group_priority is only for the site where the group has priority 0',
    hint: 'Leave it out.',
  },
  associationRefInvalid: { status: 400, message: 'Peer Group Association ID must be an integer' },
  associationMembers: {
    status: 400,
    message: 'Exactly one of peer_group_priority and sync_status must be given',
    hint: 'Give peer_group_priority: the priority that the group has on the peer. sync_status is what one site tells the other.',
  },
  associationNotPrimary: {
    status: 400,
    message: 'Peer Group Association {what} is not allowed when the association type is not primary',
    hint: 'Send the request to the site where the group has priority 0.',
  },
  associationNotNonPrimary: {
    status: 400,
    message: 'sync_status of a primary association follows from what was synced; it can not be set',
    hint: 'Run a sync.',
  },
  associationLeaderElsewhere: {
    status: 400,
    message: 'The subclouds of peer group {group} are managed by {leader}, not by this site',
    hint: 'Migrate the group to this site first.',
  },
  associationBusy: {
    status: 409,
    message: 'Another operation is in progress for this association: {operation}',
    hint: 'Wait for its end (GET /v1.0/peer-group-associations/{id}).',
  },
  associationDeleteFailed: {
    status: 422,
    message: 'Unable to delete the peer group association: {why}',
    hint: 'It is kept. Mend the cause and delete it again.',
  },
})

/** Beyond this many the message only counts them. */
const maxProblemsTold = 10

/** 400 for values that break a rule: every problem with its field and, for YAML, its line. */
export function invalid(problems: readonly Problem[]): ApiError {
  const told = problems
    .slice(0, maxProblemsTold)
    .map(({ field, line, message }) => `${field}${line === undefined ? '' : ` (line ${line})`} ${message}`)
  if (problems.length > told.length) told.push(`and ${problems.length - told.length} more`)
  const field = problems[0]?.field
  return new ApiError(400, 'invalidValues', `Invalid values: ${told.join('; ')}`, field === undefined ? {} : { field })
}

/** For one field of a form or a query. */
export const invalidField = (field: string, message: string): ApiError => invalid([{ field, message }])

/** 400 for text that is not YAML within our budgets. */
export const notYaml = (field: string, reason: string, line: number | undefined): ApiError =>
  new ApiError(400, 'yamlRefused', `${shown(field)}: unable to load the YAML${line === undefined ? '' : ` (line ${line})`}: ${reason}`, {
    field,
  })
