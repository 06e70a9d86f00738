import { ApiError, defineErrors } from '@murmuration/http'
import { DataRefused } from './rules/refusals.ts'

/** Every refusal of the image API. Texts that clients match on are the original's. */
export const errors = defineErrors({
  imageNotFound: { status: 404, message: 'No image found with ID {id}', hint: 'List the images that you can see with GET /v2/images.' },
  notFound: { status: 404, message: '{what}' },
  badRequest: { status: 400, message: '{why}' },
  badField: { status: 400, message: 'Invalid value for {field}: {why}' },
  bodyUnexpected: { status: 400, message: 'This operation takes no body.', hint: 'Send the request without one.' },
  requestIdLength: {
    status: 431,
    message: 'The request id in X-OpenStack-Request-ID is too long.',
    hint: 'Send at most {most} characters, or none: each answer has an id of its own.',
  },
  notText: { status: 400, message: 'Characters beyond the Basic Multilingual Plane are not supported.' },
  readOnlyAttribute: { status: 403, message: "Attribute '{field}' is read-only." },
  reservedAttribute: { status: 403, message: "Attribute '{field}' is reserved." },
  ownerForbidden: { status: 403, message: "You are not permitted to create images owned by '{owner}'." },
  ownerChange: { status: 403, message: 'Owner can be updated only by admin.' },
  formatLocked: {
    status: 403,
    message: "Attribute {field} can be only replaced for a queued image; this one is '{status}'.",
    hint: 'Create an image with the right formats and bring its data again; delete this one if nobody can use it.',
  },
  removeBase: { status: 403, message: "Property '{field}' is a base property and can not be removed." },
  locationsHidden: {
    status: 403,
    message: 'It is not allowed to change the locations of an image here.',
    hint: 'Upload or import its data.',
  },
  protectedImage: {
    status: 403,
    message: 'Image {id} is protected and cannot be deleted.',
    hint: 'Set protected to false first.',
  },
  forbidden: { status: 403, message: '{why}' },
  propertyMissing: { status: 409, message: 'Property {field} does not exist.' },
  propertyExists: { status: 409, message: 'Property {field} already present.' },
  imageExists: { status: 409, message: 'Image ID {id} already exists!' },
  conflict: { status: 409, message: '{why}' },
  formatsUnset: { status: 409, message: "'disk_format' and 'container_format' need to be set before import", hint: '{remedy}' },
  wrongStatus: { status: 409, message: 'Image {id} is {status}: this needs an image that is {wanted}.' },
  alreadyMember: { status: 409, message: 'Member {member} is duplicated for image {id}' },
  notShared: { status: 403, message: 'Only shared images have members; this one is {visibility}.' },
  memberOwnStatus: { status: 403, message: 'Only the member itself accepts or rejects an image that is shared with it.' },
  limitExceeded: { status: 413, message: '{why}' },
  tooLarge: { status: 413, message: 'The image is larger than {limit} bytes, which is the limit here.' },
  patchType: {
    status: 415,
    message: "The media type '{type}' is not understood for changes of an image.",
    hint: 'Send application/openstack-images-v2.1-json-patch.',
  },
  virtualTooLarge: { status: 413, message: 'The disk inside of the image has {size} bytes; at most {limit} are taken here.' },
  notOctets: { status: 415, message: 'Image data is sent as application/octet-stream.' },
  contentMismatch: { status: 415, message: 'The data does not match the disk_format of the image: {why}.' },
  hashMismatch: { status: 400, message: 'The data does not have the {algorithm} digest that it should have.' },
  contentUnsafe: { status: 415, message: 'The data is refused: {why}.' },
  formatsMissing: {
    status: 400,
    message: 'Properties disk_format, container_format must be set prior to saving data.',
    hint: 'Set them with PATCH first.',
  },
  goneMeanwhile: { status: 410, message: 'Image {id} was deleted while its data was on the way; the data was removed.' },
  deactivated: { status: 403, message: 'The requested image has been deactivated. Image data download is forbidden.' },
  severalRanges: { status: 400, message: 'Only one range can be asked for at once.' },
  rangeUnsatisfiable: { status: 416, message: 'The range names no byte of the image, which has {size}.' },
  noData: { status: 404, message: 'The bytes of image {id} were not found in any of its stores.' },
  bytesLost: {
    status: 409,
    message: 'The bytes of image {id} are in none of its stores any more; it can not be used again.',
    hint: 'Delete it, and create and upload it anew.',
  },
  sourceRefused: {
    status: 400,
    message: 'The data can not be fetched from there: {why}.',
    hint: 'The operator says with image.importHosts, importPorts and importNetworks what may be reached.',
  },
  unknownStore: { status: 400, message: "There is no store '{store}'.", hint: 'These are there: {there}.' },
  storeFull: { status: 413, message: 'There is no space left in the store {store}; nothing was kept.' },
  storeDown: {
    status: 503,
    message: 'The store {store} can not be used now: {why}.',
    hint: 'Try again later, or with another store; the log of the image service says more.',
  },
  activation: { status: 403, message: 'Not allowed to {verb} image in status {status}' },
  registryDown: { status: 503, message: 'The registry of the image service can not be reached. Try again later.' },
  registryUnauthenticated: { status: 401, message: 'The token was not accepted by the registry of the image service.' },
  registryRefused: { status: 503, message: 'The registry of the image service answered {status}. Try again later.' },
  foreignLocation: {
    status: 403,
    message: 'Locations are set by services only here.',
    hint: 'Upload or import the data of the image.',
  },
  methodNotAllowed: { status: 405, message: 'The method {method} is not allowed for this resource.' },
})

/** What the data layer refused, as a caller of the API is told. */
export function apiErrorOf(refused: DataRefused): ApiError {
  const why = refused.message
  switch (refused.refusal) {
    case 'ImageNotFound':
      return new ApiError(404, 'imageNotFound', why)
    case 'NotFound':
    case 'TaskNotFound':
    case 'MetadefNamespaceNotFound':
    case 'MetadefObjectNotFound':
    case 'MetadefPropertyNotFound':
    case 'MetadefTagNotFound':
    case 'MetadefResourceTypeNotFound':
    case 'MetadefResourceTypeAssociationNotFound':
      return errors.notFound({ what: why })
    case 'Forbidden':
    case 'ForbiddenPublicImage':
    case 'MetadefForbidden':
    case 'ProtectedMetadefResourceTypeSystemDelete':
      return errors.forbidden({ why })
    case 'LimitExceeded':
    case 'StorageQuotaFull':
      return errors.limitExceeded({ why })
    case 'Duplicate':
    case 'Conflict':
    case 'MetadefDuplicateNamespace':
    case 'MetadefDuplicateObject':
    case 'MetadefDuplicateProperty':
    case 'MetadefDuplicateTag':
    case 'MetadefDuplicateResourceType':
    case 'MetadefDuplicateResourceTypeAssociation':
    case 'MetadefIntegrityError':
      return errors.conflict({ why })
    case 'RPCError':
      return new ApiError(500, 'registryFailed', 'The registry of the image service failed.', { cause: refused })
    case 'Invalid':
    case 'InvalidSortKey':
    case 'InvalidFilterRangeValue':
    case 'InvalidFilterOperatorValue':
    case 'InvalidParameterValue':
    case 'TypeError':
    case 'ValueError':
      return errors.badRequest({ why })
  }
}
