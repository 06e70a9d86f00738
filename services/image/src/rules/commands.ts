import { DataRefused } from './refusals.ts'
import { memberStatuses } from './visibility.ts'

/** Arguments of a command: those that must be there, and those that may; and of what kind they are, where that is looked at. */
export interface Signature {
  readonly required: readonly string[]
  readonly optional: readonly string[]
  readonly kinds?: Readonly<Record<string, Kind>>
}

const kinds = {
  'a text': isText,
  'a whole number': Number.isSafeInteger,
  'true or false': (value: unknown) => typeof value === 'boolean',
  'an object': isObject,
  'a list of texts': (value: unknown) => Array.isArray(value) && value.every(isText),
  'a list of objects': (value: unknown) => Array.isArray(value) && value.every(isObject),
  [`one of ${memberStatuses.join(', ')}`]: (value: unknown) => memberStatuses.some((status) => status === value),
} as const satisfies Record<string, (value: unknown) => boolean>
type Kind = keyof typeof kinds

function isText(value: unknown): boolean {
  return typeof value === 'string'
}
function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Arguments that are no texts, whichever command takes them. */
const kindsByName: Readonly<Record<string, Kind>> = Object.fromEntries(
  (
    [
      ['a whole number', 'limit bytes location_id memb_id namespace_id object_id property_id id'],
      ['true or false', 'purge_props force_show_deleted is_public admin_as_user return_tag include_deleted can_append all_must_succeed'],
      ['an object', 'values filters image location namespace_dict object_dict property_dict tag_dict formats facts expected'],
      ['a list of objects', 'tag_list'],
      [`one of ${memberStatuses.join(', ')}`, 'member_status'],
    ] as const
  ).flatMap(([kind, names]) => names.split(' ').map((name) => [name, kind] as const)),
)

/** `name[]` is a list of texts. */
function takes(required: string, optional = ''): Signature {
  const read = (text: string) => text.split(' ').filter((name) => name !== '')
  const bare = (name: string) => name.replace('[]', '')
  const kindOf = (name: string): Kind => (name.endsWith('[]') ? 'a list of texts' : (kindsByName[name] ?? 'a text'))
  return {
    required: read(required).map(bare),
    optional: read(optional).map(bare),
    kinds: Object.fromEntries([...read(required), ...read(optional)].map((name) => [bare(name), kindOf(name)])),
  }
}

const entrySignatures = <K extends 'object' | 'property'>(kind: K) =>
  ({
    [`metadef_${kind}_create`]: takes(`namespace_name ${kind}_dict`),
    [`metadef_${kind}_get`]: takes(`namespace_name ${kind}_name`),
    [`metadef_${kind}_update`]: takes(`namespace_name ${kind}_id ${kind}_dict`),
    [`metadef_${kind}_delete`]: takes(`namespace_name ${kind}_name`),
    [`metadef_${kind}_delete_namespace_content`]: takes('namespace_name'),
    [`metadef_${kind}_get_all`]: takes('namespace_name'),
    [`metadef_${kind}_count`]: takes('namespace_name'),
  }) as Record<`metadef_${K}_${'create' | 'get' | 'update' | 'delete' | 'delete_namespace_content' | 'get_all' | 'count'}`, Signature>

/**
 * What may be called through the registry, and with what (reference image §2.5); nothing else can, and `context` or `session` from the wire
 * are arguments that no command has. The last ones are new.
 */
export const signatures = {
  image_create: takes('values'),
  image_update: takes('image_id values', 'purge_props from_state drop_props[]'),
  image_destroy: takes('image_id'),
  image_get: takes('image_id', 'force_show_deleted'),
  image_get_all: takes('', 'filters marker limit sort_key[] sort_dir[] member_status is_public admin_as_user return_tag'),
  is_image_mutable: takes('image'),
  is_image_visible: takes('image', 'status'),
  image_location_add: takes('image_id location'),
  image_location_update: takes('image_id location'),
  image_location_delete: takes('image_id location_id status', 'delete_time'),
  image_property_create: takes('values'),
  image_property_delete: takes('prop_ref image_ref'),
  image_member_create: takes('values'),
  image_member_update: takes('memb_id values'),
  image_member_delete: takes('memb_id'),
  image_member_find: takes('', 'image_id member status include_deleted'),
  image_member_count: takes('image_id'),
  image_tag_set_all: takes('image_id tags[]'),
  image_tag_create: takes('image_id value'),
  image_tag_delete: takes('image_id value'),
  image_tag_get_all: takes('image_id'),
  user_get_storage_usage: takes('owner_id', 'image_id'),
  task_create: takes('values'),
  task_update: takes('task_id values'),
  task_get: takes('task_id', 'force_show_deleted'),
  task_delete: takes('task_id'),
  task_get_all: takes('', 'filters marker limit sort_key sort_dir admin_as_user'),
  ...entrySignatures('object'),
  ...entrySignatures('property'),
  metadef_namespace_create: takes('values'),
  metadef_namespace_get: takes('namespace_name'),
  metadef_namespace_update: takes('namespace_id namespace_dict'),
  metadef_namespace_delete: takes('namespace_name'),
  metadef_namespace_get_all: takes('', 'marker limit sort_key sort_dir filters'),
  metadef_tag_create: takes('namespace_name tag_dict'),
  metadef_tag_create_tags: takes('namespace_name tag_list', 'can_append'),
  metadef_tag_get: takes('namespace_name name'),
  metadef_tag_update: takes('namespace_name id tag_dict'),
  metadef_tag_delete: takes('namespace_name name'),
  metadef_tag_delete_namespace_content: takes('namespace_name'),
  metadef_tag_get_all: takes('namespace_name', 'filters marker limit sort_key sort_dir'),
  metadef_tag_count: takes('namespace_name'),
  metadef_resource_type_create: takes('values'),
  metadef_resource_type_get: takes('resource_type_name'),
  metadef_resource_type_get_all: takes(''),
  metadef_resource_type_delete: takes('resource_type_name'),
  metadef_resource_type_association_create: takes('namespace_name values'),
  metadef_resource_type_association_get: takes('namespace_name resource_type_name'),
  metadef_resource_type_association_delete: takes('namespace_name resource_type_name'),
  metadef_resource_type_association_get_all_by_namespace: takes('namespace_name'),
  metadef_resource_type_association_get_all: takes('namespace_names[]'),
  data_begin: takes('image_id store bytes from to', 'formats'),
  data_extend: takes('data_id bytes'),
  data_commit: takes('data_id facts from to', 'location'),
  data_fail: takes('data_id from to'),
  data_free: takes('data_id'),
  import_begin: takes('image_id method stores[] all_must_succeed', 'uri expected task_type'),
  data_of_image: takes('image_id'),
  data_remove: takes('image_id store'),
  usage_get: takes('owner_id'),
} as const satisfies Record<string, Signature>

/**
 * Why these arguments are not those of the command, as it is refused; undefined when they are. The registry's callers are programs of
 * ours, and yet what comes over the wire is looked at.
 */
export function argumentProblem(command: string, signature: Signature, kwargs: Readonly<Record<string, unknown>>): DataRefused | undefined {
  const known = [...signature.required, ...signature.optional]
  // In the words of the original's interpreter.
  const unknown = Object.keys(kwargs).find((name) => !known.includes(name))
  if (unknown !== undefined)
    return new DataRefused('TypeError', `${command}() got an unexpected keyword argument '${unknown.slice(0, 64)}'`)
  const missing = signature.required.find((name) => kwargs[name] === undefined)
  if (missing !== undefined) return new DataRefused('TypeError', `${command}() missing required argument: '${missing}'`)
  // What is no filter must not let everything through, and what is no condition must not let something be written.
  for (const [name, kind] of Object.entries(signature.kinds ?? {})) {
    const value = kwargs[name]
    const absent = value === undefined || (value === null && signature.optional.includes(name))
    if (!absent && !kinds[kind]!(value)) return new DataRefused('Invalid', `${command}() argument '${name}' must be ${kind}`)
  }
  return undefined
}
