import { defineErrors } from '@murmuration/http'

/** Every refusal of this service, in the words that Keystone's clients know. What a caller may not learn is not in the message. */
export const errors = defineErrors({
  /** One text for unknown user, wrong password, lock-out, disabled thing and missing role: nobody learns which. */
  unauthenticated: { status: 401, message: 'The request you have made requires authentication.' },
  notFound: { status: 404, message: 'Could not find {what}: {id}.' },
  noSuchAssignment: {
    status: 404,
    message: 'Could not find role assignment with role: {role}, user or group: {actor}, project, domain, or system: {target}.',
  },
  noSuchImpliedRole: { status: 404, message: '{prior} does not imply {implied}' },
  notMember: { status: 404, message: 'Could not find user {user} in group {group}.' },
  tokenNotFound: { status: 404, message: 'Could not find token.' },
  duplicate: { status: 409, message: 'Conflict occurred attempting to store {what} - Duplicate entry found with name {name}{where}.' },
  duplicateId: { status: 409, message: 'Conflict occurred attempting to store {what} - Duplicate ID, {id}.' },
  invalid: { status: 400, message: "Invalid input for field '{field}': {reason}" },
  invalidMarker: {
    status: 400,
    message: "Invalid input for field 'marker': it is not one that this list returned.",
    hint: 'Follow links.next.',
  },
  wrongOriginalPassword: { status: 401, message: 'The original password is wrong.' },
  passwordLocked: { status: 400, message: 'The password of this user is locked (option lock_password); only an administrator changes it.' },
  immutable: {
    status: 403,
    message: 'Cannot change or delete {what} {id}: its option immutable is set.',
    hint: 'An administrator may set the option immutable to false first.',
  },
  domainEnabled: { status: 403, message: 'Cannot delete a domain that is enabled, please disable it first.' },
  defaultDomain: { status: 403, message: 'The default domain can be neither disabled nor deleted: the site itself lives in it.' },
  hasChildren: { status: 403, message: 'Cannot delete the project {id} since it is not a leaf in the hierarchy.' },
  hasEnabledChildren: { status: 403, message: 'Cannot disable project {id} since its subtree contains enabled projects.' },
  tooDeep: { status: 403, message: 'Max hierarchy depth reached for project {id}.' },
  parentElsewhere: { status: 400, message: "Invalid input for field 'parent_id': the parent project is in another domain." },
  regionUsed: {
    status: 403,
    message: 'Region {id} is still used by an endpoint or a child region.',
    hint: 'Delete or move what is in it first.',
  },
  impliedCycle: { status: 403, message: 'Role {prior} can not imply {implied}: it would imply itself.' },
  restrictedCredential: {
    status: 403,
    message: 'A token of a restricted application credential can not manage application credentials.',
    hint: 'Use a password, or an application credential made with --unrestricted.',
  },
  rolesNotHeld: {
    status: 403,
    message: 'An application credential can not have the role {role}: the token that asks for it does not have it on this project.',
  },
  projectScopeNeeded: { status: 400, message: 'An application credential belongs to a project: ask with a token scoped to one.' },
  tooManySignIns: { status: 429, message: 'Too many sign-ins are waiting.', hint: 'Try again in a few seconds.' },
  unsupported: { status: 400, message: "Invalid input for field '{field}': {reason}" },
  tokenTooLarge: {
    status: 403,
    message: 'A token with {count} roles does not fit a header.',
    hint: 'Assign fewer roles on this target; implied roles count.',
  },
  tooManyRevocations: {
    status: 503,
    message: 'There are more revocations than one answer holds.',
    hint: 'Ask with after=0 and follow sequence while more is true.',
  },
  forbidden: { status: 403, message: 'You are not authorized to perform the requested action: {action}.' },
})
