import { ApiError } from '@murmuration/http'
import { Secret } from '@murmuration/trust'
import type { FastifyRequest } from 'fastify'
import { errors, invalid, invalidField } from '../errors.ts'
import { shown } from '../rules/addresses.ts'
import { backupMembers, brokenCombination, impliedOptions, type BackupOptions, type BackupVerb } from '../rules/backup-request.ts'
import { asMap, type Problem } from '../rules/problems.ts'
import type { BackupTarget } from '../store/backup-claims.ts'
import { findGroup } from '../store/groups.ts'
import { findSubcloud, type SubcloudRow } from '../store/subclouds.ts'
import type { ApiContext } from './context.ts'
import { readForm, type Form } from './form.ts'
import { addressProblems } from './values.ts'

/** What the operator's values file says, apart from what the request itself reads of it. */
export interface OperatorValues {
  /** JSON text of the rest; undefined when there is nothing. */
  readonly rest: Secret | undefined
  /** Of restore values: name of a subcloud → address of its host. */
  readonly bootstrapAddresses: Readonly<Record<string, string>>
  readonly timeoutSeconds: number
}

export interface BackupRequest {
  readonly form: Form
  readonly options: BackupOptions
  readonly values: OperatorValues
  readonly sysadminPassword: Secret | undefined
}

/** Reference dcmanager §6.5 "restore_timeout". */
const restoreTimeoutSeconds = { default: 5_400, most: 86_400 } as const

/** The form of a request about backups. Everything that can be told without the database is told here. */
export async function readBackupForm(request: FastifyRequest, verb: BackupVerb): Promise<Form> {
  const known = backupMembers[verb]
  // Names that are bound from a body as well (reference §1.1).
  const bound = ['verb', 'release_version']
  try {
    return await readForm(request, [...known, ...bound])
  } catch (error) {
    if (error instanceof ApiError && error.code === 'unknownField')
      throw errors.unexpectedParameter(
        { name: error.field ?? '', known: known.join(', ') },
        error.field === undefined ? {} : { field: error.field },
      )
    throw error
  }
}

export function readBackupRequest(context: ApiContext, verb: BackupVerb, form: Form): BackupRequest {
  if (form.names.length === 0) throw errors.bodyEmpty()
  const given: BackupOptions = {
    subcloud: form.text('subcloud'),
    group: form.text('group'),
    localOnly: form.flag('local_only') ?? false,
    registryImages: form.flag('registry_images') ?? false,
    withInstall: form.flag('with_install') ?? false,
    auto: form.flag('auto') ?? false,
    factory: form.flag('factory') ?? false,
    onSite: form.flag('on_site') ?? false,
    release: verb === 'restore' ? form.text('release') : undefined,
  }
  const { softwareVersion } = context.site.config
  const broken = brokenCombination(verb, given, softwareVersion)
  if (broken !== undefined) throw errors.backupCombination({ message: broken.message, hint: broken.hint }, { field: broken.field })
  const values = readOperatorValues(form, verb)
  const needsPassword = verb !== 'delete' || given.localOnly
  const sysadminPassword = form.password('sysadmin_password')
  if (needsPassword && sysadminPassword === undefined)
    throw errors.passwordMissing({ field: 'sysadmin_password' }, { field: 'sysadmin_password' })
  return { form, options: impliedOptions(given), values, sysadminPassword }
}

function readOperatorValues(form: Form, verb: BackupVerb): OperatorValues {
  const name = verb === 'create' ? 'backup_values' : 'restore_values'
  const document = verb === 'delete' ? undefined : form.yaml(name)
  const none: OperatorValues = { rest: undefined, bootstrapAddresses: {}, timeoutSeconds: restoreTimeoutSeconds.default }
  if (document === undefined) return none
  const map = asMap(document.value)
  if (map === undefined) throw invalidField(name, 'must be a YAML map of names and values')
  if (verb === 'create') return { ...none, rest: restOf(map) }
  const { bootstrap_address: addresses, restore_timeout: timeout, ...rest } = map
  return {
    rest: restOf(rest),
    bootstrapAddresses: readAddresses(addresses),
    timeoutSeconds: timeout === undefined ? restoreTimeoutSeconds.default : readTimeout(timeout),
  }
}

const restOf = (map: Readonly<Record<string, unknown>>): Secret | undefined =>
  Object.keys(map).length === 0 ? undefined : new Secret(JSON.stringify(map))

function readAddresses(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {}
  const field = 'restore_values.bootstrap_address'
  const map = asMap(value)
  if (map === undefined) throw invalidField(field, 'must be a map of subcloud names and IP addresses')
  const problems: Problem[] = Object.entries(map).flatMap(([name, address]) =>
    typeof address === 'string'
      ? addressProblems(`${field}.${shown(name)}`, address)
      : [{ field: `${field}.${shown(name)}`, message: 'must be an IP address' }],
  )
  if (problems.length > 0) throw invalid(problems)
  return map as Record<string, string>
}

function readTimeout(value: unknown): number {
  const seconds = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 1 || seconds > restoreTimeoutSeconds.most)
    throw invalidField('restore_values.restore_timeout', `must be a whole number of seconds from 1 to ${restoreTimeoutSeconds.most}`)
  return seconds
}

/** Whom the request names. An unknown subcloud is 400, an unknown group 404 (reference §1.10). */
export async function targetOf(
  context: ApiContext,
  options: BackupOptions,
): Promise<{ readonly target: BackupTarget; readonly single: SubcloudRow | undefined }> {
  const { database } = context.desk
  if (options.group !== undefined) {
    const group = await findGroup(database, options.group)
    if (group === undefined) throw errors.groupNotFound({}, { field: 'group' })
    return { target: { groupId: group.id }, single: undefined }
  }
  const single = await findSubcloud(database, options.subcloud!)
  if (single === undefined) throw errors.backupSubcloudUnknown({ subcloud: options.subcloud! }, { field: 'subcloud' })
  return { target: { subcloudId: single.id }, single }
}
