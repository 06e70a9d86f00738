/** Typed clients towards other sites. What a site may answer is limited in size, time and shape (attacks 30). */
export { createKeystoneSession, type KeystoneSession, type Credentials, AuthenticationFailed } from './keystone-session.ts'
export { createDcagentClient, type DcagentClient, type DcagentRequest, type DcagentReply } from './dcagent.ts'
export { createPlatformClient, type PlatformClient } from './platform.ts'
export { createLocalTokenValidator, createKeystoneTokenValidator } from './token-validator.ts'
export { SiteAnswerRefused } from './answer.ts'
