/** Typed clients towards other sites. What a site may answer is limited in size, time and shape (attacks 30). */
export {
  createKeystoneSession,
  type KeystoneSession,
  type Credentials,
  type SessionOptions,
  AuthenticationFailed,
} from './keystone-session.ts'
export {
  createDcagentClient,
  type DcagentClient,
  type DcagentClientOptions,
  type DcagentRequest,
  type DcagentReply,
  type SyncStatus,
  type AskingAs,
  type Ownership,
  type ObservedOwnership,
  StaleOwnership,
} from './dcagent.ts'
export { createPlatformClient, type PlatformClient, type PlatformClientOptions } from './platform.ts'
export { createLocalTokenValidator, createKeystoneTokenValidator, identityOf, type TokenValidatorOptions } from './token-validator.ts'
export { SiteAnswerRefused, readAnswer, type Answer } from './answer.ts'
export { startDeadline, type Deadline } from './deadline.ts'
export { requestAuthorised } from './authorised.ts'
export {
  createPeerClient,
  peerLimits,
  PeerRefused,
  type PeerClient,
  type PeerClientOptions,
  type PeerCall,
  type StandbyDocument,
  type StandbyOutcome,
  type GroupColumnsThere,
  type AuditRequest,
  type AssociationThere,
  type PeerGroupThere,
  type MembersThere,
  type SubcloudThere,
  type SystemPeerThere,
} from './peer.ts'
