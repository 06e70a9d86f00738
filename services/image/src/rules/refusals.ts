/** What the data layer refuses, under the names that its contract knows (reference image §2.4). */
export const refusals = [
  'ImageNotFound',
  'NotFound',
  'Forbidden',
  'ForbiddenPublicImage',
  'Invalid',
  'InvalidSortKey',
  'InvalidFilterRangeValue',
  'InvalidFilterOperatorValue',
  'InvalidParameterValue',
  'Duplicate',
  'Conflict',
  'LimitExceeded',
  'StorageQuotaFull',
  'TaskNotFound',
  'MetadefNamespaceNotFound',
  'MetadefObjectNotFound',
  'MetadefPropertyNotFound',
  'MetadefTagNotFound',
  'MetadefResourceTypeNotFound',
  'MetadefResourceTypeAssociationNotFound',
  'MetadefDuplicateNamespace',
  'MetadefDuplicateObject',
  'MetadefDuplicateProperty',
  'MetadefDuplicateTag',
  'MetadefDuplicateResourceType',
  'MetadefDuplicateResourceTypeAssociation',
  'MetadefForbidden',
  'MetadefIntegrityError',
  'ProtectedMetadefResourceTypeSystemDelete',
  'RPCError',
] as const
/** Of the interpreter of the original: what a call is made of is wrong. */
export const builtinRefusals = ['TypeError', 'ValueError'] as const
export type Refusal = (typeof refusals)[number] | (typeof builtinRefusals)[number]

export class DataRefused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal, message: string) {
    super(message)
    this.name = 'DataRefused'
    this.refusal = refusal
  }
}

export const refused = (error: unknown, ...kinds: readonly Refusal[]): error is DataRefused =>
  error instanceof DataRefused && (kinds.length === 0 || kinds.includes(error.refusal))
